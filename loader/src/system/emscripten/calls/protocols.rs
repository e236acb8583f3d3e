//! Owns the database of the protocols of the Internet (`netdb.h`, `getprotobyname` and related functions), which Emscripten has in
//! JavaScript. The numbers are IANA's, the names those of musl. Must not know sockets.

use super::super::guest::Guest;
use super::super::imports::{Answer, Arguments, Entry, Handler};
use super::clock::ended;
use super::memory::allocate;

pub(super) const ENTRIES: &[Entry] = &[
    ("getprotobyname", Handler::Plain(by_name)),
    ("getprotobynumber", Handler::Plain(by_number)),
    ("getprotoent", Handler::Plain(next)),
    ("setprotoent", Handler::Plain(rewind)),
    ("endprotoent", Handler::Plain(rewind)),
];

const PROTOCOLS: &[(&str, u32)] = &[
    ("ip", 0),
    ("icmp", 1),
    ("igmp", 2),
    ("ggp", 3),
    ("ipencap", 4),
    ("st", 5),
    ("tcp", 6),
    ("egp", 8),
    ("pup", 12),
    ("udp", 17),
    ("hmp", 20),
    ("xns-idp", 22),
    ("rdp", 27),
    ("iso-tp4", 29),
    ("xtp", 36),
    ("ddp", 37),
    ("idpr-cmtp", 38),
    ("ipv6", 41),
    ("ipv6-route", 43),
    ("ipv6-frag", 44),
    ("idrp", 45),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("skip", 57),
    ("ipv6-icmp", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("rspf", 73),
    ("vmtp", 81),
    ("ospf", 89),
    ("ipip", 94),
    ("encap", 98),
    ("pim", 103),
    ("raw", 255),
];

/// Where the record lies that a guest is given, and which protocol comes next.
#[derive(Default)]
pub(in super::super) struct Protocols {
    place: Option<u32>,
    next: usize,
}

/// The bytes of a record: name, list of aliases, number (offsets 0, 4, 8); the list of one alias and a null (12); two texts.
const RECORD: usize = 20;
const TEXT: usize = 24;

/// Writes a protocol into the only record, which the next call overwrites, as in C. Null when the guest has no memory for it.
fn give(guest: &mut Guest<'_>, protocol: Option<&(&str, u32)>) -> wasmtime::Result<Answer> {
    let Some((name, number)) = protocol else { return Ok(Answer::from(0)) };
    let known = guest.system().map_err(ended)?.protocols.place;
    let place = match known {
        Some(place) => Some(place),
        None => allocate(guest, &[0; RECORD + 2 * TEXT])?,
    };
    let Some(place) = place else { return Ok(Answer::from(0)) };
    guest.system().map_err(ended)?.protocols.place = Some(place);
    let at = |offset: usize| place.saturating_add(u32::try_from(offset).unwrap_or(0));
    let (text, alias) = (at(RECORD), at(RECORD + TEXT));
    let mut record: Vec<u8> =
        [text, at(12), *number, alias, 0].into_iter().flat_map(u32::to_le_bytes).collect();
    // As in `/etc/protocols`, names are known in capitals, too.
    for text in [(*name).to_owned(), name.to_ascii_uppercase()] {
        let mut bytes = text.into_bytes();
        bytes.resize(TEXT, 0);
        record.extend(bytes);
    }
    guest.write(place, &record).map_err(ended)?;
    Ok(Answer::from(place))
}

fn by_name(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let wanted = guest.c_string_within(arguments.word(0)?, TEXT).map_err(ended)?.to_vec();
    let is_it = |name: &str| wanted == name.as_bytes() || wanted == name.to_ascii_uppercase().as_bytes();
    give(guest, PROTOCOLS.iter().find(|(name, _)| is_it(name)))
}

fn by_number(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let wanted = arguments.word(0)?;
    give(guest, PROTOCOLS.iter().find(|(_, number)| *number == wanted))
}

fn next(guest: &mut Guest<'_>, _: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let protocols = &mut guest.system().map_err(ended)?.protocols;
    let protocol = PROTOCOLS.get(protocols.next);
    protocols.next = protocols.next.saturating_add(1);
    give(guest, protocol)
}

fn rewind(guest: &mut Guest<'_>, _: &Arguments<'_>) -> wasmtime::Result<Answer> {
    guest.system().map_err(ended)?.protocols.next = 0;
    Ok(Answer::Nothing)
}
