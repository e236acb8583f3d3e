//! Owns the reading of `_sysconfigdata_*.py`, in which CPython's build wrote how it was configured: a dictionary of texts and numbers, as
//! `pprint` writes it. Must not know what the entries mean.

use std::collections::BTreeMap;

/// What comes before the entries.
const DICTIONARY: &str = "build_time_vars = {";

/// The value of a variable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
}

/// The variables of a build.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    variables: BTreeMap<String, Value>,
}

impl Configuration {
    /// Reads the text of the file. Errs with a description of the first line that is not understood.
    pub fn parse(text: &str) -> Result<Configuration, String> {
        let (_, after) = text.split_once(DICTIONARY).ok_or("it has no dictionary `build_time_vars`")?;
        let mut reader = Reader { rest: after };
        let mut variables = BTreeMap::new();
        loop {
            reader.skip();
            if reader.take('}') {
                return Ok(Configuration { variables });
            }
            let key = reader.text()?;
            reader.expect(':')?;
            let value = reader.value()?;
            variables.insert(key, value);
            reader.skip();
            if !reader.take(',') {
                reader.expect('}')?;
                return Ok(Configuration { variables });
            }
        }
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.variables.get(name)
    }

    /// The value of a variable that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.variables.get(name)? {
            Value::Text(text) => Some(text),
            Value::Number(_) => None,
        }
    }
}

/// How a text begins in which Pyodide names folders of its own build; the names stay as they are.
const FORMATTED: [&str; 2] = ["f'", "f\""];

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn is_formatted(&self) -> bool {
        FORMATTED.iter().any(|begin| self.rest.starts_with(begin))
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, wanted: char) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        self.skip();
        if self.take(wanted) { Ok(()) } else { Err(format!("no `{wanted}` before {:?}", self.here())) }
    }

    /// The beginning of what is left, for messages.
    fn here(&self) -> String {
        self.rest.chars().take(30).collect()
    }

    fn value(&mut self) -> Result<Value, String> {
        self.skip();
        if self.rest.starts_with(['\'', '"', '(']) || self.is_formatted() {
            return self.text().map(Value::Text);
        }
        let end = self.rest.find([',', '}', '\n']).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        let parsed =
            number.trim().parse().map_err(|_| format!("neither a text nor a number: {:?}", self.here()))?;
        self.rest = rest;
        Ok(Value::Number(parsed))
    }

    /// One or more string literals that stand together, in parentheses or not.
    fn text(&mut self) -> Result<String, String> {
        self.skip();
        let in_parentheses = self.take('(');
        let mut text = self.literal()?;
        loop {
            self.skip();
            if !self.rest.starts_with(['\'', '"']) && !self.is_formatted() {
                break;
            }
            text += &self.literal()?;
        }
        if in_parentheses {
            self.expect(')')?;
        }
        Ok(text)
    }

    fn literal(&mut self) -> Result<String, String> {
        self.skip();
        if self.is_formatted() {
            self.take('f');
        }
        let here = self.here();
        let mut characters = self.rest.char_indices();
        let quote = characters.next().map(|(_, quote)| quote).filter(|quote| matches!(quote, '\'' | '"'));
        let quote = quote.ok_or_else(|| format!("no text: {here:?}"))?;
        let mut text = String::new();
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => match characters.next().map(|(_, escaped)| escaped) {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some(escaped @ ('\\' | '\'' | '"')) => text.push(escaped),
                    _ => return Err(format!("an escape that is not known: {here:?}")),
                },
                _ if character == quote => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                _ => text.push(character),
            }
        }
        Err(format!("a text without an end: {here:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cpython_writes_is_read() {
        let text = "root = {}\n# system configuration generated and used by the sysconfig module\nbuild_time_vars = {'AC': 'it\\'s '\n       \
                    'two',\n 'HAVE_X': 1,\n 'LESS': -1,\n \"Q\": (\"a\"\n 'b'), 'F': f'{root}/x'}\n";
        let read = Configuration::parse(text).unwrap();
        assert_eq!(read.text("AC"), Some("it's two"));
        assert_eq!(read.get("HAVE_X"), Some(&Value::Number(1)));
        assert_eq!(read.get("LESS"), Some(&Value::Number(-1)));
        assert_eq!(read.text("F"), Some("{root}/x"));
        assert_eq!((read.text("Q"), read.text("HAVE_X")), (Some("ab"), None));
        for bad in ["", "{'a'}", "{'a': b}", "{'a': 'b", "{'a': 1", "{'a': '\\x00'}"] {
            assert!(Configuration::parse(&format!("build_time_vars = {bad}")).is_err(), "{bad}");
        }
    }
}
