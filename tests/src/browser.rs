//! Owns how the tests show a page in a real browser: headless Chromium, if there is one. Must not know the pages.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The variable that names the browser to use; without it, a browser is looked for on the PATH.
pub const BROWSER: &str = "PYDL_BROWSER";

/// The browser. `None` when there is none: that is reported, and is no failure even where skips are, since a browser cannot be expected on
/// every machine.
///
/// # Panics
///
/// Panics when `PYDL_BROWSER` is set to a file that does not exist.
pub fn find() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(BROWSER).filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        assert!(named.is_file(), "{BROWSER}: {}: no such file", named.display());
        return Some(named);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|candidate| candidate.is_file());
    if found.is_none() {
        eprintln!("skipped: there is no {} on the PATH, and {BROWSER} names none", names.join(", "));
    }
    found
}

/// The page as it is after its scripts have run, in HTML. `place` is what follows the path, such as `#f1`.
///
/// # Panics
///
/// Panics when the browser fails.
pub fn page_after_scripts(browser: &Path, file: &Path, place: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        // The sandbox does not work for root; the pages are our own.
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ])
        .args(["--window-size=1400,900", "--virtual-time-budget=5000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}{place}", file.display()))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("</html>"), "{}: {errors}", browser.display());
    text
}
