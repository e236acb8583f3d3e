//! Owns the proof that the pictures of `pydl deps` are well-formed whatever the names of files are, look as recorded, and work in a
//! browser: as XML text, and in Chromium where it is installed.

use std::fs;
use std::path::{Path, PathBuf};

use pydl_tests::wasm::assemble;
use pydl_tests::{assert_golden, browser, emscripten, pydl, python_wasm, repository, skip};
use roxmltree::{Document, ParsingOptions};
use tempfile::TempDir;

/// Runs `pydl deps` for a picture of a folder.
fn picture(folder: &Path, main: &Path, options: &[&str]) -> String {
    let output = pydl().arg("deps").arg(folder).arg("--main").arg(main).args(options).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn parsed(text: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A library that needs others, imports the given functions, and exports others.
fn library(needed: &[&str], imports: &[&str], exports: &[&str]) -> Vec<u8> {
    // A string of WebAssembly text, in which every byte may be an escape.
    let quoted = |name: &&str| {
        let bytes: Vec<String> = name.bytes().map(|byte| format!("\\{byte:02x}")).collect();
        format!("\"{}\"", bytes.concat())
    };
    let needed: Vec<String> = needed.iter().map(quoted).collect();
    let import = |name: &&str| format!("(import \"env\" {} (func (param i32) (result i32)))", quoted(name));
    let imports = imports.iter().map(import).collect::<Vec<_>>().concat();
    let export =
        |name: &&str| format!("(func (export {}) (param i32) (result i32) local.get 0)", quoted(name));
    let exports = exports.iter().map(export).collect::<Vec<_>>().concat();
    let needed = if needed.is_empty() { String::new() } else { format!("(needed {})", needed.join(" ")) };
    assemble(&format!("(module (@dylink.0 (mem-info (memory 4 2)) {needed}) {imports} {exports})"))
}

fn folder(files: &[(&str, Vec<u8>)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

/// Names that a careless page would interpret as something else.
const HOSTILE: [&str; 6] = [
    "<script>document.title='owned'<_script>",
    "\"onload=\"document.title='owned'",
    "<img src=x onerror=document.title='owned'>",
    "]]>&amp;&#x1;<!--",
    "\u{1b}[2J\u{fffe}\u{202e}\n",
    "</title></style>",
];

/// Files with such names, which import and export such names; one is missing.
fn hostile() -> TempDir {
    let files: Vec<String> = HOSTILE.iter().map(|name| format!("{}.so", name.replace('/', "_"))).collect();
    let mut needed: Vec<&str> = files.iter().map(String::as_str).collect();
    let long = format!("{}.so", "x".repeat(300));
    needed.push(&long);
    let mut contents = vec![("app.so", library(&needed, &HOSTILE, &["run"]))];
    for (file, name) in files.iter().zip(HOSTILE).skip(1) {
        contents.push((file, library(&[], &["puts"], &[name])));
    }
    folder(&contents)
}

/// This many libraries, each of which needs the next one, and the last one the first.
fn cycle(count: usize) -> TempDir {
    let name = |number: usize| format!("lib{:03}.so", number % count);
    let symbol = |number: usize| format!("f{}", number % count);
    let files: Vec<(String, Vec<u8>)> = (0..count)
        .map(|number| {
            let bytes = library(&[&name(number + 1)], &[&symbol(number + 1), "puts"], &[&symbol(number)]);
            (name(number), bytes)
        })
        .collect();
    let files: Vec<(&str, Vec<u8>)> =
        files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    folder(&files)
}

/// A library that loads and one that does not, because of a function and a file.
fn missing() -> TempDir {
    folder(&[
        (
            "app.so",
            library(&["libgone.so", "libhelp.so", "libquiet.so"], &["help", "lost", "puts"], &["run"]),
        ),
        ("libhelp.so", library(&["libhelp.so"], &["puts"], &["help"])),
        ("libquiet.so", library(&[], &[], &["quiet"])),
    ])
}

#[test]
fn small_graphs_look_as_recorded() {
    let recorded = |name: &str| repository().join("tests/cases/pictures").join(name);
    let folder = missing();
    for format in ["svg", "dot"] {
        let text = picture(folder.path(), &python_wasm(), &["--graph", format]);
        let text = text.replace(folder.path().to_str().unwrap(), "FOLDER");
        let text = text.replace(repository().to_str().unwrap(), "REPOSITORY");
        assert_golden(&recorded(&format!("missing.{format}")), &text);
    }
}

#[test]
fn pictures_are_well_formed_whatever_names_say() {
    for folder in [hostile(), missing(), cycle(2), cycle(30)] {
        for format in ["svg", "html"] {
            let text = picture(folder.path(), &python_wasm(), &["--graph", format]);
            let document = parsed(&text);
            let count = |name: &str| document.descendants().filter(|node| node.has_tag_name(name)).count();
            assert_eq!(count("img"), 0);
            assert_eq!(count("script"), usize::from(format == "html"));
            let handlers = document.descendants().flat_map(|node| node.attributes());
            assert!(!handlers.into_iter().any(|attribute| attribute.name().starts_with("on")));
            assert!(!text.contains(['\u{1b}', '\u{fffe}', '\u{202e}']));
        }
    }
}

#[test]
fn the_page_asks_for_nothing_else() {
    let text = picture(missing().path(), &python_wasm(), &["--graph", "html"]);
    let document = parsed(&text);
    let policy =
        document.descendants().find(|node| node.attribute("http-equiv") == Some("Content-Security-Policy"));
    let policy = policy.unwrap().attribute("content").unwrap();
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
    for node in document.descendants() {
        assert!(node.attribute("src").is_none() && node.attribute("style").is_none(), "{node:?}");
        let is_inside = node.attribute("href").is_none_or(|href| href.starts_with('#'));
        assert!(is_inside && !node.has_tag_name("link"), "{node:?}");
    }
    // Every link leads somewhere, so that links are useful without JavaScript.
    let ids: Vec<&str> = document.descendants().filter_map(|node| node.attribute("id")).collect();
    for href in document.descendants().filter_map(|node| node.attribute("href")) {
        assert!(ids.contains(&&href[1..]), "{href}");
    }
}

#[test]
fn everything_that_is_missing_is_told_in_words() {
    let text = picture(missing().path(), &python_wasm(), &["--graph", "svg"]);
    for words in [
        "\u{2717} does not load",
        "\u{2717} not found",
        "\u{2717} 1 function",
        "needs libquiet.so, and takes nothing",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

/// Reports which texts of the picture do not fit into their boxes, and which boxes of nodes and labels overlap.
const MEASURE: &str = r#"
    const inside = (one, other) => one.x >= other.x - 1 && one.x + one.width <= other.x + other.width + 1
        && one.y >= other.y - 1 && one.y + one.height <= other.y + other.height + 1;
    const apart = (one, other) => one.x + one.width <= other.x || other.x + other.width <= one.x
        || one.y + one.height <= other.y || other.y + other.height <= one.y;
    const faults = [];
    const boxes = [];
    for (const group of document.querySelectorAll("svg .node, svg .edge")) {
        const rect = group.querySelector("rect");
        if (!rect) continue;
        for (const text of group.querySelectorAll("text")) {
            if (!inside(text.getBBox(), rect.getBBox())) faults.push("wide: " + text.textContent);
        }
        for (const box of boxes) {
            if (!apart(box.getBBox(), rect.getBBox())) faults.push("covered: " + group.textContent);
        }
        boxes.push(rect);
    }
    return boxes.length + ": " + faults.join("; ");
"#;

/// Does with the page of [`missing`] what people do, and reports what is not as it should be.
const USE: &str = r##"
    const faults = [];
    const expect = (is, what) => { if (!is) faults.push(what); };
    const svg = document.querySelector("svg");
    const view = () => svg.getAttribute("viewBox").split(" ").map(Number);
    const classes = (node) => svg.querySelector('.node[data-node="' + node + '"]').className.baseVal;
    const isShown = (id) => document.getElementById(id).getBoundingClientRect().height > 0;
    const click = (target) => target.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
    const press = (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key: key, bubbles: true, cancelable: true }));
    expect(isShown("files") && isShown("tools") && !isShown("f1") && !isShown("all"), "the beginning");
    click(svg.querySelector('[data-node="2"] text'));
    expect(classes(2).includes("chosen") && classes(1).includes("user") && classes(0).includes("needs"), "a click on a box");
    expect(isShown("f2") && !isShown("files") && isShown("all"), "what a box tells");
    expect(getComputedStyle(svg.querySelector('.node[data-node="3"]')).opacity < 0.5, "what fades");
    click(document.querySelector("#f2 a[href='#f1']"));
    expect(classes(1).includes("chosen") && !classes(2).includes("chosen") && isShown("f1"), "a link of the list");
    press("Escape");
    expect(isShown("files") && !isShown("f1") && !svg.classList.contains("choosing"), "Escape");
    const before = view();
    press("+");
    expect(view()[2] < before[2], "plus");
    press("-");
    press("ArrowRight");
    expect(view()[0] > before[0] && Math.abs(view()[2] - before[2]) < 1, "an arrow key");
    press("0");
    svg.dispatchEvent(new WheelEvent("wheel", { deltaY: -200, clientX: 200, clientY: 200, bubbles: true, cancelable: true }));
    expect(view()[2] < before[2], "the wheel");
    const pointer = (type, x) => svg.dispatchEvent(new PointerEvent(type, { pointerId: 1, clientX: x, clientY: 200, bubbles: true }));
    const left = view()[0];
    pointer("pointerdown", 200); pointer("pointermove", 300); pointer("pointerup", 300);
    expect(view()[0] < left, "a drag");
    click(svg.querySelector('[data-node="2"] text'));
    expect(!classes(2).includes("chosen"), "the end of a drag");
    click(document.getElementById("fit"));
    expect(Math.abs(view()[2] - before[2]) < 1, "Fit");
    expect(svg.querySelectorAll("a[href]").length === svg.querySelectorAll(".node").length, "boxes that keys reach");
    return ": " + faults.join("; ");
"##;

/// What a function returns that is run once the page has run: the page is a copy that allows it.
fn told(program: &Path, folder: &Path, page: &str, function: &str) -> String {
    let (before, policy) = page.split_once("<meta http-equiv=\"Content-Security-Policy\"").unwrap();
    let (_, after) = policy.split_once("/>").unwrap();
    let script = format!(
        "<script>window.addEventListener('load', () => {{ document.title = 'told ' + (() => {{{function}}})(); }});</script></body>"
    );
    let file = folder.join("copy.html");
    fs::write(&file, format!("{before}{after}").replace("</body>", &script)).unwrap();
    let after = browser::page_after_scripts(program, &file, "");
    let (_, title) = after.split_once("<title>told ").unwrap_or_else(|| panic!("{after}"));
    title.split("</title>").next().unwrap().to_owned()
}

#[test]
fn a_page_is_used_with_pointers_and_keys() {
    let Some(program) = browser::find() else { return };
    let folder = missing();
    let page = picture(folder.path(), &python_wasm(), &["--graph", "html"]);
    assert_eq!(told(&program, folder.path(), &page, USE).trim(), ":");
}

#[test]
fn text_fits_and_nothing_is_covered_in_a_browser() {
    let Some(program) = browser::find() else { return };
    let cases: [(&str, TempDir, usize); 4] = [
        ("hostile", hostile(), 8),
        ("missing", missing(), 6),
        ("cycle", cycle(30), 31),
        ("two", cycle(2), 3),
    ];
    for (name, folder, least) in cases {
        let page = picture(folder.path(), &python_wasm(), &["--graph", "html"]);
        let told = told(&program, folder.path(), &page, MEASURE);
        let (boxes, faults) = told.split_once(':').unwrap();
        assert!(boxes.parse::<usize>().unwrap() >= least, "{name}: {told}");
        assert_eq!(faults.trim(), "", "{name}");
    }
}

#[test]
fn a_browser_runs_the_script_of_the_page_and_no_other() {
    let Some(program) = browser::find() else { return };
    let page = |folder: &TempDir, place: &str| {
        let file: PathBuf = folder.path().join("page.html");
        fs::write(&file, picture(folder.path(), &python_wasm(), &["--graph", "html"])).unwrap();
        let text = browser::page_after_scripts(&program, &file, place);
        fs::remove_file(&file).unwrap();
        text
    };
    let folder = hostile();
    let all = page(&folder, "");
    assert!(all.contains("class=\"js\"") && all.contains("<section id=\"files\">"), "{all}");
    assert!(all.contains("<section id=\"f1\" hidden=\"\">"), "{all}");
    assert!(all.contains("<title>Who takes symbols from whom"), "a name became a script\n{all}");
    // A link to a node chooses it: what is connected with it is marked, the rest is not.
    let chosen = page(&missing(), "#f1");
    assert!(
        chosen.contains("<section id=\"f1\">") && chosen.contains("<section id=\"files\" hidden=\"\">"),
        "{chosen}"
    );
    assert!(chosen.contains("node wrong chosen") && chosen.contains("node file needs"), "{chosen}");
}

/// The pictures in the documentation, and the options of the command that the documentation shows for them.
const DOCUMENTED: [(&str, &str, &[&str]); 3] = [
    ("awkward.svg", "awkward_cpp-57-cp314-cp314-pyemscripten_2026_0_wasm32.whl", &["--graph", "svg"]),
    ("numpy.svg", "numpy-2.5.5-cp314-cp314-pyemscripten_2026_0_wasm32.whl", &["--graph", "svg"]),
    ("numpy-map.svg", "numpy-2.5.5-cp314-cp314-pyemscripten_2026_0_wasm32.whl", &["--map=svg"]),
];

#[test]
fn the_pictures_of_the_documentation_are_what_its_commands_draw() {
    let text = fs::read_to_string(repository().join("docs/deps.md")).unwrap();
    for (picture, wheel, options) in DOCUMENTED {
        let command = format!("pydl deps {wheel} --main pyodide.asm.wasm {} > {picture}", options.join(" "));
        assert!(text.contains(&command) && text.contains(&format!("](pictures/{picture})")), "{command}");
        let (main, wheel) = match (emscripten::main_module(emscripten::CURRENT), emscripten::wheel(wheel)) {
            (Ok(main), Ok(wheel)) => (main, wheel),
            (Err(why), _) | (_, Err(why)) => return skip(&why),
        };
        let folder = tempfile::tempdir().unwrap();
        for file in [&main, &main.with_file_name("python_stdlib.zip"), &wheel] {
            std::os::unix::fs::symlink(file, folder.path().join(file.file_name().unwrap())).unwrap();
        }
        let output = pydl()
            .current_dir(folder.path())
            .arg("deps")
            .arg(wheel.file_name().unwrap())
            .args(["--main", "pyodide.asm.wasm"])
            .args(options)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let drawn = String::from_utf8(output.stdout).unwrap();
        parsed(&drawn);
        assert_golden(&repository().join("docs/pictures").join(picture), &drawn);
    }
}

/// The script of the workflow step in the documentation, with a file as the main module.
fn script_of_workflow() -> String {
    let text = fs::read_to_string(repository().join("docs/deps.md")).unwrap();
    let (_, step) = text.split_once("        run: |\n").unwrap();
    let (script, _) = step.split_once("      - uses:").unwrap();
    let lines = script.lines().map(str::trim).filter(|line| !line.starts_with("pydl python fetch"));
    lines.collect::<Vec<_>>().join("\n").replace("python@3.14", "pyodide.asm.wasm")
}

#[test]
fn the_workflow_of_the_documentation_does_what_it_says() {
    let wheel = "xxhash-4.1.0-cp314-cp314-pyemscripten_2026_0_wasm32.whl";
    let (main, wheel) = match (emscripten::main_module(emscripten::CURRENT), emscripten::wheel(wheel)) {
        (Ok(main), Ok(wheel)) => (main, wheel),
        (Err(why), _) | (_, Err(why)) => return skip(&why),
    };
    let bytes = fs::read(&wheel).unwrap();
    for (contents, status) in [(&bytes[..], 0), (&bytes[..100], 1)] {
        let folder = tempfile::tempdir().unwrap();
        for file in [&main, &main.with_file_name("python_stdlib.zip")] {
            std::os::unix::fs::symlink(file, folder.path().join(file.file_name().unwrap())).unwrap();
        }
        fs::create_dir(folder.path().join("dist")).unwrap();
        fs::write(folder.path().join("dist").join(wheel.file_name().unwrap()), contents).unwrap();
        let programs = pydl_tests::pydl_binary();
        let path = format!("{}:{}", programs.parent().unwrap().display(), std::env::var("PATH").unwrap());
        // This is how the runner runs it.
        let output = std::process::Command::new("bash")
            .args(["-e", "-c", &script_of_workflow()])
            .env("PATH", path)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(status), "{told}{}", String::from_utf8_lossy(&output.stderr));
        assert!(told.contains(if status == 0 { ": loads into" } else { ": does not load" }), "{told}");
        let page = fs::read_to_string(folder.path().join("deps.html")).unwrap();
        parsed(&page);
        // The page shows the reason, though it is the wheel that is wrong and not a module.
        assert_eq!(page.contains("Reasons against loading it"), status != 0);
    }
}
