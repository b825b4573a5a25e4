//! A record of comma-separated values (RFC 4180), strictly: what does not follow the rules is broken, so that one bad quote cannot
//! swallow the people behind it.

/// What a piece of text is.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// Empty and unquoted, or `\N`, or between tabs `NULL` (`mysql --batch`): nothing is there.
    Fields(Vec<Option<String>>),
    /// A quote is not closed yet: the record may go on in the next line.
    Open,
    Broken(&'static str),
}

/// Reads one record, without the line break at its end.
pub fn parse(text: &[u8], delimiter: u8) -> Parsed {
    let mut fields = Vec::new();
    let mut at = 0;
    loop {
        let (field, next) = if text.get(at) == Some(&b'"') {
            match quoted(text, at + 1) {
                Some((field, next)) => (Some(field), next),
                None => return Parsed::Open,
            }
        } else {
            let next = text[at..].iter().position(|byte| *byte == delimiter).map_or(text.len(), |found| at + found);
            let field = &text[at..next];
            // RFC 4180 §2: "If fields are not enclosed with double quotes, then double quotes may not appear inside the fields."
            if field.contains(&b'"') {
                return Parsed::Broken("a quote stands inside a value");
            }
            let nothing = field.is_empty() || field == b"\\N" || (delimiter == b'\t' && field == b"NULL");
            ((!nothing).then(|| field.to_vec()), next)
        };
        match field.map(String::from_utf8).transpose() {
            Ok(field) => fields.push(field),
            Err(_) => return Parsed::Broken("it is not UTF-8"),
        }
        match text.get(next) {
            None => return Parsed::Fields(fields),
            Some(byte) if *byte == delimiter => at = next + 1,
            Some(_) => return Parsed::Broken("something stands behind a closing quote"),
        }
    }
}

/// The value behind an opening quote, and where it ended.
fn quoted(text: &[u8], from: usize) -> Option<(Vec<u8>, usize)> {
    let mut field = Vec::new();
    let mut at = from;
    loop {
        match (*text.get(at)?, text.get(at + 1)) {
            (b'"', Some(b'"')) => {
                field.push(b'"');
                at += 2;
            }
            (b'"', _) => return Some((field, at + 1)),
            (byte, _) => {
                field.push(byte);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_they_were_written() {
        let some = |text: &str| Some(text.to_owned());
        let fields = |text: &str| parse(text.as_bytes(), b',');
        assert_eq!(
            fields("1,a b,,\"\",\\N,\"x,\"\"y\"\"\n z\""),
            Parsed::Fields(vec![some("1"), some("a b"), None, some(""), None, some("x,\"y\"\n z")])
        );
        assert_eq!(fields("a,"), Parsed::Fields(vec![some("a"), None]));
        assert_eq!(fields("a,\"b"), Parsed::Open);
        assert_eq!(fields("a,\"b\"c"), Parsed::Broken("something stands behind a closing quote"));
        assert_eq!(fields("a,b\"c"), Parsed::Broken("a quote stands inside a value"));
        assert_eq!(parse(b"\xff", b','), Parsed::Broken("it is not UTF-8"));
        assert_eq!(parse(b"a;b,c", b';'), Parsed::Fields(vec![some("a"), some("b,c")]));
        // MySQL writes the word between tabs, where nothing is; in a CSV it is somebody's name.
        assert_eq!(parse(b"1\tNULL\t\"NULL\"\tnull", b'\t'), Parsed::Fields(vec![some("1"), None, some("NULL"), some("null")]));
        assert_eq!(fields("NULL"), Parsed::Fields(vec![some("NULL")]));
    }
}
