//! Lists that are made, sent, lost, doubled, and taken in by a gate.

use fast_qr::{ECL, QRBuilder};
use proptest::prelude::*;

use super::{Age, Colour, Contents, Delta, State, SuspensionList, Taken};
use crate::{
    glance::Glance,
    keys::{Key, KeySet, Scope},
    number::PassNumber,
    payload::{Kind, Payload, Rule},
    reason::Reason,
    signature::SigningKey,
    time::{Hour, Second},
};

const LISTS: u8 = 9;
const PASSES: u8 = 1;
/// 250,000 passes were issued.
const HIGH_WATER: u32 = 249_999;

fn key() -> SigningKey {
    SigningKey::ed25519(&[9; 32])
}

fn keys() -> KeySet {
    let public = key().public();
    let list = Key { scope: Scope::Lists, until: Hour::NEVER, ..Key::weekly(LISTS, Hour(0), public.clone()) };
    KeySet::new(1, Second(0), vec![Key { until: Hour::NEVER, ..Key::weekly(PASSES, Hour(0), public) }, list]).unwrap()
}

/// Indices as if drawn by lot: `count` of 250,000, one in five of them revoked.
fn drawn(count: u32, salt: u32) -> Vec<(u32, State)> {
    let mut drawn = std::collections::BTreeMap::new();
    let mut seed = u64::from(salt) << 32 | 0x9E37_79B9;
    while drawn.len() < count as usize {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let index = u32::try_from((seed >> 33) % u64::from(HIGH_WATER + 1)).unwrap();
        drawn.insert(index, if seed >> 60 < 3 { State::Revoked } else { State::Suspended });
    }
    drawn.into_iter().collect()
}

fn list(sequence: u32, listed: Vec<(u32, State)>) -> SuspensionList {
    let contents =
        Contents { sequence, made: Second(4_000_000 + sequence), high_water: HIGH_WATER, lines: vec![], listed };
    SuspensionList::new(contents).unwrap()
}

fn pass(index: u32, compound: u16, issued: u16) -> Payload {
    Payload {
        kind: Kind::Paper,
        key_id: PASSES,
        number: PassNumber::new(index, [0; 5]).unwrap(),
        issued: Hour(issued),
        expires: Hour(issued + 336),
        compound,
        rule: Rule::Unrestricted,
        household: [0; 3],
        glance: Glance::default(),
        photo_key: [0; 10],
    }
}

#[test]
fn a_quarter_of_a_million_passes_with_one_in_a_hundred_listed_take_less_than_3000_bytes() {
    let listed = drawn(2_500, 1);
    let made = list(1, listed.clone());
    let bytes = made.sign(LISTS, &key());
    assert!(bytes.len() <= 3_000, "{} bytes", bytes.len());
    let read = SuspensionList::open(&bytes, &keys()).unwrap();
    assert_eq!(read, made);
    let mut listed = listed.into_iter().peekable();
    for index in 0..=HIGH_WATER {
        let expected = listed.next_if(|(next, _)| *next == index).map(|(_, state)| state);
        assert_eq!(read.state(index), expected, "{index}");
    }
}

#[test]
fn a_change_of_10_and_of_50_fits_a_qr_code() {
    for (count, most, version) in [(10, 130, 8), (50, 220, 10)] {
        let old = list(7, drawn(2_500, 1));
        let mut listed: Vec<(u32, State)> = old.listed().collect();
        // A fifth is lifted, the others are new.
        listed.drain(..count as usize / 5);
        let new = drawn(count, 2).into_iter().filter(|(index, _)| old.state(*index).is_none());
        listed.extend(new.take(count as usize * 4 / 5));
        let delta = Delta::between(&old, &list(8, listed));
        assert_eq!(delta.entries(), count as usize);
        let bytes = delta.sign(LISTS, &key());
        assert!(bytes.len() <= most, "{} bytes for {count}", bytes.len());
        let text = delta.text(LISTS, &key());
        let symbol = QRBuilder::new(text.as_str()).ecl(ECL::M).build().unwrap();
        assert_eq!(symbol.size, 17 + 4 * version);
        assert_eq!(Delta::open_text(&text, &keys()), Ok(delta));
    }
}

#[test]
fn a_pass_is_judged_by_index_compound_and_high_water() {
    let listed = vec![(3, State::Suspended), (5, State::Revoked)];
    let contents =
        Contents { sequence: 1, made: Hour(1000).start(), high_water: 10, lines: vec![(7, Hour(900))], listed };
    let list = SuspensionList::new(contents).unwrap();
    for (index, compound, issued, expected) in [
        (4, 1, 990, Ok(())),
        (3, 1, 990, Err(Reason::Suspended)),
        (5, 7, 890, Err(Reason::Revoked)),
        (4, 7, 899, Err(Reason::CompoundBefore)),
        (4, 7, 900, Ok(())),
        (10, 1, 999, Ok(())),
        (11, 1, 999, Err(Reason::AboveHighWater)),
        // Issued within the hour in which the list was made: perhaps after it.
        (11, 1, 1000, Ok(())),
    ] {
        assert_eq!(list.check(&pass(index, compound, issued)), expected, "{index} {compound} {issued}");
    }
}

#[test]
fn a_pass_issued_in_the_hour_of_the_list_is_not_taken_for_a_forgery() {
    let contents =
        Contents { sequence: 1, made: Second(Hour(1000).start().0 + 1800), high_water: 10, ..Contents::default() };
    let list = SuspensionList::new(contents).unwrap();
    assert_eq!(list.check(&pass(11, 1, 1000)), Ok(()));
    assert_eq!(list.check(&pass(11, 1, 999)), Err(Reason::AboveHighWater));
}

#[test]
fn the_age_of_a_list_has_three_colours() {
    let list = list(1, vec![]);
    for (seconds, colour) in [
        (0, Colour::Green),
        (3_600, Colour::Green),
        (3_601, Colour::Amber),
        (43_200, Colour::Amber),
        (43_201, Colour::Stale),
        (-600, Colour::Green),
        (-601, Colour::Amber),
    ] {
        let now = Second(u32::try_from(4_000_001 + seconds).unwrap());
        assert_eq!(list.age(now), Age { seconds });
        assert_eq!(list.age(now).colour(), colour, "{seconds}");
    }
}

#[test]
fn a_gap_a_step_back_and_another_base_are_refused_and_change_nothing() {
    let [first, second, third] = [(1, 1), (2, 2), (3, 3)].map(|(sequence, salt)| list(sequence, drawn(20, salt)));
    let mut held = first.clone();
    assert_eq!(held.apply(&Delta::between(&second, &third)), Err(Reason::SequenceGap));
    let other = list(1, drawn(21, 4));
    assert_eq!(held.apply(&Delta::between(&other, &second)), Err(Reason::WrongBase));
    assert_eq!(held, first);
    assert_eq!(held.apply(&Delta::between(&first, &second)), Ok(Taken::Applied));
    assert_eq!(held, second);
    assert_eq!(held.replace(first), Err(Reason::StepBack));
    assert_eq!(held.replace(list(2, drawn(1, 9))), Err(Reason::WrongBase));
    let fewer = SuspensionList { high_water: 10, listed: vec![], ..third };
    assert_eq!(held.clone().replace(fewer.clone()), Err(Reason::StepBack));
    assert_eq!(held.apply(&Delta::between(&second, &fewer)), Err(Reason::StepBack));
    assert_eq!(held, second);
}

#[test]
fn one_change_may_span_what_smaller_ones_brought() {
    let states = |indices: &[u32]| indices.iter().map(|index| (*index, State::Suspended)).collect::<Vec<_>>();
    let lists = [list(1, states(&[1])), list(2, states(&[1, 2])), list(3, states(&[1, 2, 3]))];
    let mut held = lists[1].clone();
    assert_eq!(held.apply(&Delta::between(&lists[0], &lists[2])), Ok(Taken::Applied));
    assert_eq!(held, lists[2]);
    // What was lifted again is no difference between the first and the last list, and would stay.
    let last = list(3, states(&[1]));
    let mut held = lists[1].clone();
    assert_eq!(held.apply(&Delta::between(&lists[0], &last)), Err(Reason::WrongBase));
    assert_eq!(held, lists[1]);
}

#[test]
fn a_change_of_nothing_makes_the_list_younger() {
    let mut held = list(1, drawn(20, 1));
    let still = SuspensionList { made: Second(4_100_000), ..held.clone() };
    assert_eq!(held.apply(&Delta::between(&held.clone(), &still)), Ok(Taken::Already));
    assert_eq!(held.made(), Second(4_100_000));
    let older = SuspensionList { made: Second(1), ..held.clone() };
    assert_eq!(held.replace(older), Ok(Taken::Already));
    assert_eq!(held.made(), Second(4_100_000));
}

#[test]
fn a_line_for_a_compound_comes_changes_and_goes() {
    let with = |sequence, lines: &[(u16, Hour)]| SuspensionList { lines: lines.to_vec(), ..list(sequence, vec![]) };
    let steps = [
        with(1, &[]),
        with(2, &[(3, Hour(50)), (7, Hour(60))]),
        with(3, &[(3, Hour(51)), (7, Hour(60))]),
        with(4, &[(7, Hour(60))]),
    ];
    let mut held = steps[0].clone();
    for pair in steps.windows(2) {
        let delta = Delta::open(&Delta::between(&pair[0], &pair[1]).sign(LISTS, &key()), &keys()).unwrap();
        assert_eq!(held.apply(&delta), Ok(Taken::Applied));
        assert_eq!(held, pair[1]);
    }
}

#[test]
fn a_list_signed_by_an_issuing_key_or_posing_as_the_other_kind_is_refused() {
    let (old, new) = (list(1, vec![]), list(2, drawn(3, 1)));
    let delta = Delta::between(&old, &new);
    assert_eq!(SuspensionList::open(&new.sign(PASSES, &key()), &keys()), Err(Reason::WrongScope));
    assert_eq!(Delta::open(&delta.sign(PASSES, &key()), &keys()), Err(Reason::WrongScope));
    assert_eq!(SuspensionList::open(&delta.sign(LISTS, &key()), &keys()), Err(Reason::UnknownKind));
    assert_eq!(Delta::open(&new.sign(LISTS, &key()), &keys()), Err(Reason::UnknownKind));
}

#[test]
fn a_list_that_contradicts_itself_is_not_made() {
    let contents = || Contents { sequence: 1, high_water: 10, ..Contents::default() };
    for wrong in [
        Contents { listed: vec![(11, State::Revoked)], ..contents() },
        Contents { listed: vec![(1, State::Revoked), (1, State::Suspended)], ..contents() },
        Contents { lines: vec![(1, Hour(0))], ..contents() },
        Contents { lines: vec![(1, Hour(2)), (1, Hour(3))], ..contents() },
    ] {
        assert_eq!(SuspensionList::new(wrong), Err(Reason::Malformed));
    }
}

/// Some twenty lists, one after the other, each a few passes away from the last.
fn history() -> Vec<SuspensionList> {
    let mut history = vec![list(0, drawn(40, 1))];
    for sequence in 1..20 {
        let before = history.last().unwrap();
        let mut contents = Contents {
            sequence,
            made: Second(4_000_000 + sequence * 60),
            high_water: HIGH_WATER + sequence * 3,
            lines: before.lines().to_vec(),
            listed: before.listed().filter(|(index, _)| index % 20 != sequence).collect(),
        };
        let new = drawn(5, sequence + 7).into_iter().filter(|(index, _)| before.state(*index).is_none());
        contents.listed.extend(new);
        if sequence % 5 == 0 {
            contents.lines.push((u16::try_from(sequence).unwrap(), Hour(100)));
        }
        history.push(SuspensionList::new(contents).unwrap());
    }
    history
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Changes are sent three times each in whatever order, and again until all have come: every gate ends with the same list.
    #[test]
    fn every_batch_resent_three_times_in_any_order_comes_to_the_same_state(
        order in Just((0..19_usize).flat_map(|step| [step; 3]).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let history = history();
        let deltas: Vec<Delta> = history.windows(2).map(|pair| Delta::between(&pair[0], &pair[1])).collect();
        let mut held = history[0].clone();
        for _ in 0..deltas.len() {
            for step in &order {
                let before = held.clone();
                match held.apply(&deltas[*step]) {
                    Ok(Taken::Applied) => prop_assert_eq!(&held, &history[step + 1]),
                    Ok(Taken::Already) | Err(Reason::SequenceGap) => prop_assert_eq!(&held, &before),
                    Err(reason) => prop_assert!(false, "{reason}"),
                }
            }
        }
        prop_assert_eq!(Some(&held), history.last());
        for late in &order {
            prop_assert_eq!(held.apply(&deltas[*late]), Ok(Taken::Already));
        }
        prop_assert_eq!(Some(&held), history.last());
    }

    #[test]
    fn any_two_lists_are_one_change_apart(from in 0..19_usize, to in 0..20_usize) {
        let history = history();
        let (from, to) = (from.min(to), from.max(to));
        let bytes = Delta::between(&history[from], &history[to]).sign(LISTS, &key());
        let delta = Delta::open(&bytes, &keys()).unwrap();
        let mut held = history[from].clone();
        prop_assert!(held.apply(&delta).is_ok());
        prop_assert_eq!(&held, &history[to]);
        // On the way between them it comes to the same or does nothing.
        for begin in from..to {
            let mut held = history[begin].clone();
            let taken = held.apply(&delta).is_ok();
            prop_assert_eq!(&held, &history[if taken { to } else { begin }]);
        }
    }

    #[test]
    fn what_is_read_of_changed_bytes_is_what_they_say(at in 6..200_usize, byte: u8, cut in 6..200_usize) {
        let history = history();
        let snapshot = history[19].sign(LISTS, &key());
        let delta = Delta::between(&history[0], &history[19]).sign(LISTS, &key());
        for original in [snapshot, delta] {
            let signed = original.len() - 64;
            let mut changed = original[..signed].to_vec();
            changed[at % signed] = byte;
            for content in [&changed[..], &changed[..cut.min(signed)]] {
                // As if the centre had signed it, so that the decoder is what refuses.
                let bytes = [content, &key().sign(content)].concat();
                if let Ok(list) = SuspensionList::open(&bytes, &keys()) {
                    prop_assert_eq!(list.sign(content[1], &key()), bytes.clone());
                }
                if let Ok(delta) = Delta::open(&bytes, &keys()) {
                    prop_assert_eq!(delta.sign(content[1], &key()), bytes);
                }
            }
        }
    }

    #[test]
    fn no_bytes_are_taken_for_a_list(noise in prop::collection::vec(any::<u8>(), 0..200), kind in 8..10_u8) {
        let content = [&[0x10 | kind, LISTS], &noise[..]].concat();
        let signed = [&content[..], &key().sign(&content)].concat();
        if let Ok(list) = SuspensionList::open(&signed, &keys()) {
            prop_assert_eq!(list.sign(LISTS, &key()), signed.clone());
        }
        if let Ok(delta) = Delta::open(&signed, &keys()) {
            prop_assert_eq!(delta.sign(LISTS, &key()), signed);
        }
        prop_assert!(SuspensionList::open(&content, &keys()).is_err());
        prop_assert!(Delta::open(&content, &keys()).is_err());
    }
}
