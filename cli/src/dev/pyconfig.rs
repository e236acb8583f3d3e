//! Owns how a `pyconfig.h` is made for a main module: the lines of a template, with the values that CPython's build recorded. Must not know
//! where either comes from.

use super::configuration::{Configuration, Value};

/// Names that `configure` always defines, be it as 0; `sysconfig` records undefined names as 0, too.
fn is_always_defined(name: &str) -> bool {
    name.starts_with("HAVE_DECL_") || name == "PY_SUPPORT_TIER"
}

/// Names that `configure` defines to get all of a C library (`AC_USE_SYSTEM_EXTENSIONS`), each in a line of this form, where nothing else has
/// defined it; those that it leaves out are for Minix.
const EXTENSION: &str = "# undef ";
const OF_MINIX: [&str; 3] = ["_MINIX", "_POSIX_SOURCE", "_POSIX_1_SOURCE"];

/// The include guard, which is not part of the configuration.
const GUARD: &str = "Py_PYCONFIG_H";

/// The header for a configuration: `template` is a `pyconfig.h.in` of the same version, or a `pyconfig.h` that was made of it. Names that
/// `sysconfig` does not record, since they begin with no capital letter, stay as they are in a `pyconfig.h`.
pub fn fill(template: &str, configuration: &Configuration) -> String {
    let lines = template.lines().map(|line| {
        let extension = line.strip_prefix(EXTENSION).filter(|name| !OF_MINIX.contains(name));
        match (name_in(line).filter(|name| is_recorded(name)), extension) {
            (Some(name), _) => definition(name, line, configuration.get(name)),
            (None, Some(name)) if name.starts_with('_') => format!("# define {name} 1"),
            (None, _) => line.to_owned(),
        }
    });
    lines.flat_map(|line| [line, "\n".to_owned()]).collect()
}

/// Whether `sysconfig` records a name (`sysconfig.parse_config_h`).
fn is_recorded(name: &str) -> bool {
    name != GUARD && name.starts_with(|first: char| first.is_ascii_uppercase())
}

/// The name that a line defines or leaves undefined, in the forms that `sysconfig` reads; what is indented is a default within a condition.
fn name_in(line: &str) -> Option<&str> {
    let undefined = line.strip_prefix("/* #undef ").and_then(|rest| rest.strip_suffix(" */"));
    let defined = line.strip_prefix("#define ").or_else(|| line.strip_prefix("#undef "));
    let name = undefined.or(defined)?.trim().split_ascii_whitespace().next()?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(is_name).then_some(name)
}

fn definition(name: &str, line: &str, value: Option<&Value>) -> String {
    match value {
        Some(Value::Number(0)) if line.starts_with("/* #undef ") => line.to_owned(),
        Some(Value::Number(number)) if *number != 0 || is_always_defined(name) => {
            format!("#define {name} {number}")
        }
        Some(Value::Text(text)) if !text.is_empty() => format!("#define {name} {text}"),
        _ => format!("/* #undef {name} */"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_get_the_recorded_values() {
        let configuration =
            "build_time_vars = {'SIZEOF_LONG': 4, 'HAVE_FORK': 0, 'HAVE_DECL_X': 0, 'NAME': '\"a b\"'}";
        let configuration = Configuration::parse(configuration).unwrap();
        let template = "/* what it is */\n#undef SIZEOF_LONG\n#define HAVE_FORK 1\n#undef HAVE_DECL_X\n# undef _GNU_SOURCE\n# undef _MINIX\n#  define SIZEOF_LONG 1\n\
                        #ifndef Py_PYCONFIG_H\n#define Py_PYCONFIG_H\n#undef NAME\n#undef UNKNOWN\n#endif\n";
        assert_eq!(
            fill(template, &configuration),
            "/* what it is */\n#define SIZEOF_LONG 4\n/* #undef HAVE_FORK */\n#define HAVE_DECL_X 0\n# define _GNU_SOURCE 1\n# undef _MINIX\n#  define SIZEOF_LONG 1\n\
             #ifndef Py_PYCONFIG_H\n#define Py_PYCONFIG_H\n#define NAME \"a b\"\n/* #undef UNKNOWN */\n#endif\n"
        );
    }
}
