//! Owns how text from files is written in XML and HTML. Must not know the document.

use crate::render::text::printable;

/// Text for an element or a quoted attribute: nothing in it is markup, affects the program that displays it, or is a character
/// that XML does not have (XML 1.0, section 2.2).
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in printable(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_file_is_markup() {
        assert_eq!(escaped("<a b='\"'>&\u{0}\u{ffff}"), "&lt;a b=&#39;&quot;&#39;&gt;&amp;\\u{0}\\u{ffff}");
    }
}
