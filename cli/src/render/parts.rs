//! Owns work on long lists by several threads, in parts whose results come in order. Must not know what is in a list: the names
//! of a large module take longer to make readable than the module takes to read.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;

/// How many items a part has.
const PART: usize = 250;
/// How many items are processed at a time, since all their results are in memory.
const AT_A_TIME: usize = 16 << 10;
/// The most threads.
const MOST_THREADS: usize = 8;

/// The results of `work` for each part of a list, in order.
pub fn in_parts<'a, T: Sync, R: Send>(
    items: &'a [T],
    work: impl Fn(&'a [T]) -> R + Sync,
) -> impl Iterator<Item = R> {
    items.chunks(AT_A_TIME).flat_map(move |items| at_once(items, &work))
}

fn at_once<'a, T: Sync, R: Send>(items: &'a [T], work: &(impl Fn(&'a [T]) -> R + Sync)) -> Vec<R> {
    let parts: Vec<&[T]> = items.chunks(PART).collect();
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS).min(parts.len());
    // The parts are dealt out in turn: items that take long often stand together.
    let share = |number: usize| parts.iter().skip(number).step_by(threads).map(|part| work(part));
    let mut shares = thread::scope(|scope| {
        let running: Vec<_> =
            (1..threads).map(|number| scope.spawn(move || share(number).collect::<Vec<R>>())).collect();
        let mut shares = vec![share(0).collect::<Vec<R>>().into_iter()];
        for thread in running {
            shares.push(thread.join().unwrap_or_else(|panic| resume_unwind(panic)).into_iter());
        }
        shares
    });
    (0..parts.len()).filter_map(|part| shares.get_mut(part % threads)?.next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_in_order() {
        for length in [0, 1, PART, 10 * PART + 7, 2 * AT_A_TIME + 1] {
            let list: Vec<usize> = (0..length).collect();
            assert_eq!(in_parts(&list, <[usize]>::to_vec).collect::<Vec<_>>().concat(), list);
        }
    }
}
