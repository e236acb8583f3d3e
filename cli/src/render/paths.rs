//! Owns what part of a path is shown where the whole would be too long. Must not know what the path belongs to.

/// The last component of a path.
pub fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The folder of a path: the folder within the wheel, if the path lies in one.
pub fn folder(path: &str) -> &str {
    let inner = path.rsplit_once(".whl/").map_or(path, |(_, inner)| inner);
    inner.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The innermost folder that contains all these paths.
pub fn common_folder<'a>(mut paths: impl Iterator<Item = &'a str>) -> String {
    let mut common: Vec<&str> =
        paths.next().map(|path| folder(path).split('/').collect()).unwrap_or_default();
    for path in paths {
        let same =
            common.iter().zip(folder(path).split('/')).take_while(|(one, other)| **one == *other).count();
        common.truncate(same);
    }
    common.join("/")
}

/// A path without the folder that all have in common.
pub fn within<'a>(path: &'a str, common: &str) -> &'a str {
    let inner = path.rsplit_once(".whl/").map_or(path, |(_, inner)| inner);
    let rest = inner.strip_prefix(common).filter(|_| !common.is_empty());
    rest.and_then(|rest| rest.strip_prefix('/')).unwrap_or(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_begin_in_the_wheel() {
        assert_eq!(folder("dist/a-1.whl/a/b/c.so"), "a/b");
        assert_eq!(folder("c.so"), "");
        assert_eq!(within("dist/a-1.whl/a/b/c.so", "a"), "b/c.so");
        assert_eq!(within("ab/c.so", "a"), "ab/c.so");
        assert_eq!(within("/c.so", ""), "/c.so");
    }

    #[test]
    fn the_folder_of_all_is_no_news() {
        let common = |paths: &[&'static str]| common_folder(paths.iter().copied());
        assert_eq!(common(&["a/b/c.so", "a/bc/d.so"]), "a");
        assert_eq!(common(&["a/b/c.so", "a/b/d/e.so"]), "a/b");
        assert_eq!(common(&["c.so", "a/b.so"]), "");
        assert_eq!(common(&[]), "");
    }
}
