//! Owns the options that a Python main module needs. Must not know how the guest finds its standard library.

use super::image::Image;
use crate::base::options::{ProcessOptions, SIDE_FOLDER};

impl ProcessOptions {
    /// Options for a Python main module: the standard library that was found beside it ([`crate::Installation::beside`]) is mounted where
    /// Python looks for it, and side modules are placed where Python looks for extension modules. Without a standard library, these are the
    /// options of [`ProcessOptions::new`] with a `PYTHONPATH` that leads to the side modules.
    pub fn python(image: &Image) -> ProcessOptions {
        ProcessOptions::new("python").for_python(image)
    }

    /// Adapts these options to a Python main module, as [`ProcessOptions::python`] makes them, for programs that have options before they
    /// have an image. What the options already name takes precedence; `argv[0]` is Python's own.
    #[must_use]
    pub fn for_python(mut self, image: &Image) -> ProcessOptions {
        let Some(installation) = image.installation() else {
            self.environment.insert(0, ("PYTHONPATH".into(), SIDE_FOLDER.into()));
            return self;
        };
        if let Some(program) = self.arguments.first_mut() {
            *program = installation.executable().into();
        }
        self.side_folder = installation.extension_folder();
        self.mounts.splice(0..0, installation.mount());
        self.is_python = true;
        self
    }
}
