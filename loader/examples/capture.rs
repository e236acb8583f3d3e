//! Embeds Python: loads the extension module `fputs`, lets it write a file into a folder of the host, and captures what
//! the guest prints. Run it in the repository: `cargo run --example capture`.

use pydl_loader::{Captured, Compiler, ExitStatus, Image, LoadError, Mount, Process, ProcessOptions};

const PROGRAM: &str = "
import fputs
print(fputs.fputs('Hello from C!', '/out/hello.txt'), 'bytes by', fputs.__file__)
";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("pydl-example-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;

    let (status, printed) = run(folder.clone())?;
    assert_eq!(status, ExitStatus::Exited(0));
    print!("{printed}");
    println!("{}", std::fs::read_to_string(folder.join("hello.txt"))?);

    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// Runs [`PROGRAM`] with `folder` as the guest's `/out`.
fn run(folder: std::path::PathBuf) -> Result<(ExitStatus, String), LoadError> {
    // Needed once for a program: the compiler, and the image of each main module. With a `Cache`, the seconds that compiling takes are
    // spent once for a machine.
    let compiler = Compiler::new()?;
    let image = Image::from_file(&compiler, "testdata/python/python.wasm")?;

    // Needed for each run: a process, which sees what its options name and nothing else.
    let stdout = Captured::new();
    let options = ProcessOptions::python(&image)
        .args(["-c", PROGRAM])
        .side_module("testdata/fputs/fputs.so")
        .mount(Mount { host: folder, guest: "/out".to_owned(), read_only: false })
        .stdout(&stdout);
    let status = Process::new(&image, &options)?.run()?;
    Ok((status, String::from_utf8_lossy(&stdout.contents()).into_owned()))
}
