//! Owns the functions of libuuid, which Emscripten has in JavaScript (`uuid/uuid.h`): 16 bytes, and their text (RFC 9562). Must not know
//! what they name.

use super::super::guest::Guest;
use super::super::imports::{Answer, Arguments, Entry, Handler};
use super::clock::ended;

pub(super) const ENTRIES: &[Entry] = &[
    ("uuid_clear", Handler::Plain(clear)),
    ("uuid_compare", Handler::Plain(compare)),
    ("uuid_copy", Handler::Plain(copy)),
    ("uuid_generate", Handler::Plain(generate)),
    ("uuid_is_null", Handler::Plain(is_null)),
    ("uuid_parse", Handler::Plain(parse)),
    ("uuid_unparse", Handler::Plain(unparse)),
    ("uuid_unparse_lower", Handler::Plain(unparse)),
    ("uuid_unparse_upper", Handler::Plain(unparse_upper)),
    // UUIDs are random and of the RFC's variant: there are no others here.
    ("uuid_type", Handler::Constant(Answer::Integer(4))),
    ("uuid_variant", Handler::Constant(Answer::Integer(1))),
];

/// The characters of a UUID's text, including its hyphens.
const LENGTH: usize = 36;
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

fn read(guest: &Guest<'_>, address: u32) -> wasmtime::Result<[u8; 16]> {
    let mut uuid = [0; 16];
    uuid.copy_from_slice(guest.bytes(address, 16).map_err(ended)?);
    Ok(uuid)
}

fn write(guest: &mut Guest<'_>, address: u32, uuid: [u8; 16]) -> wasmtime::Result<Answer> {
    guest.write(address, &uuid).map_err(ended)?;
    Ok(Answer::Nothing)
}

fn clear(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    write(guest, arguments.word(0)?, [0; 16])
}

/// `(one, other)`: returns a number less than, equal to or greater than 0.
fn compare(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let (one, other) = (read(guest, arguments.word(0)?)?, read(guest, arguments.word(1)?)?);
    Ok(Answer::Integer(one.cmp(&other) as i64))
}

/// `(to, from)`: copies a UUID.
fn copy(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let uuid = read(guest, arguments.word(1)?)?;
    write(guest, arguments.word(0)?, uuid)
}

fn generate(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let mut uuid = [0; 16];
    crate::system::kernel::random(&mut uuid).map_err(ended)?;
    uuid[6] = uuid[6] & 0x0f | 0x40;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    write(guest, arguments.word(0)?, uuid)
}

fn is_null(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    Ok(Answer::Integer((read(guest, arguments.word(0)?)? == [0; 16]).into()))
}

/// `(text, uuid)`: returns 0, or -1 for a text of another form.
fn parse(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let text = guest.c_string_within(arguments.word(0)?, LENGTH + 1).map_err(ended)?;
    let Some(uuid) = of_text(text) else { return Ok(Answer::Integer(-1)) };
    write(guest, arguments.word(1)?, uuid)?;
    Ok(Answer::Integer(0))
}

fn of_text(text: &[u8]) -> Option<[u8; 16]> {
    let is_hyphen = |(at, byte): (usize, &u8)| (*byte == b'-') == HYPHENS.contains(&at);
    if text.len() != LENGTH || !text.iter().enumerate().all(is_hyphen) {
        return None;
    }
    let digits = text.iter().filter(|byte| **byte != b'-').map(|byte| char::from(*byte).to_digit(16));
    let digits: Vec<u32> = digits.collect::<Option<_>>()?;
    let mut uuid = [0; 16];
    for (byte, digits) in uuid.iter_mut().zip(digits.as_chunks::<2>().0) {
        *byte = u8::try_from(digits[0] << 4 | digits[1]).ok()?;
    }
    Some(uuid)
}

fn to_text(uuid: [u8; 16]) -> String {
    let mut text = format!("{:032x}", u128::from_be_bytes(uuid));
    for hyphen in HYPHENS {
        text.insert(hyphen, '-');
    }
    text
}

/// `(uuid, text)`: writes the text with a NUL at its end.
fn unparse(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let text = to_text(read(guest, arguments.word(0)?)?) + "\0";
    guest.write(arguments.word(1)?, text.as_bytes()).map_err(ended)?;
    Ok(Answer::Nothing)
}

fn unparse_upper(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let text = to_text(read(guest, arguments.word(0)?)?).to_ascii_uppercase() + "\0";
    guest.write(arguments.word(1)?, text.as_bytes()).map_err(ended)?;
    Ok(Answer::Nothing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_the_same() {
        let text = "00112233-4455-6677-8899-aabbccddeeff";
        let uuid = of_text(text.to_ascii_uppercase().as_bytes()).unwrap();
        assert_eq!((uuid[0], uuid[15], to_text(uuid).as_str()), (0, 0xff, text));
        for wrong in
            ["", &text[1..], "00112233-4455-6677-8899-aabbccddeefg", "001122334455-6677-8899--aabbccddeeff"]
        {
            assert_eq!(of_text(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
