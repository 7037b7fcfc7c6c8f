//! How much of something, exactly: weights in grams, volumes in millilitres, and what is counted as it is counted. A 斤 is
//! 500 g. Nothing is rounded: what cannot be kept exactly is refused.

use proto::isolation::v1::{Quantity, Unit};

/// In the kept unit, greater than zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    pub measure: Unit,
    pub number: i64,
}

/// More is a slip of the pen: 100,000 t of one thing.
const MOST: i64 = 100_000_000_000;

/// The kept unit of a unit, and how many of it one is.
const fn kept(unit: Unit) -> Option<(Unit, i64)> {
    match unit {
        Unit::Unspecified => None,
        Unit::Gram => Some((Unit::Gram, 1)),
        Unit::Jin => Some((Unit::Gram, 500)),
        Unit::Kilogram => Some((Unit::Gram, 1_000)),
        Unit::Millilitre => Some((Unit::Millilitre, 1)),
        Unit::Litre => Some((Unit::Millilitre, 1_000)),
        Unit::Piece | Unit::Bottle | Unit::Box | Unit::Bag => Some((unit, 1)),
    }
}

impl Amount {
    /// `None` for what is no number greater than zero, has no unit, is not whole in the kept unit, or is beyond all measure.
    pub fn read(quantity: &Quantity) -> Option<Self> {
        let (measure, factor) = kept(quantity.unit())?;
        let number = exact(&quantity.number, factor)?;
        (1..=MOST).contains(&number).then_some(Self { measure, number })
    }
}

/// A decimal number times a factor, where the result is whole.
fn exact(typed: &str, factor: i64) -> Option<i64> {
    let (whole, fraction) = typed.split_once('.').unwrap_or((typed, ""));
    let digits = |text: &str| text.len() <= 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || (typed.contains('.') && fraction.is_empty()) {
        return None;
    }
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scaled = digits * i128::from(factor);
    (scaled % scale == 0).then(|| i64::try_from(scaled / scale).ok()).flatten()
}

/// As people read it: weights from a kilogram on in kilograms, volumes from a litre on in litres.
pub fn shown(measure: Unit, number: i64) -> Quantity {
    let (unit, factor) = match measure {
        Unit::Gram if number.abs() >= 1_000 => (Unit::Kilogram, 1_000),
        Unit::Millilitre if number.abs() >= 1_000 => (Unit::Litre, 1_000),
        _ => (measure, 1),
    };
    let (whole, rest) = (number / factor, number % factor);
    let number = if rest == 0 {
        whole.to_string()
    } else {
        format!("{whole}.{:03}", rest.abs()).trim_end_matches('0').to_owned()
    };
    Quantity { number, unit: unit.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(number: &str, unit: Unit) -> Option<(Unit, i64)> {
        Amount::read(&Quantity { number: number.into(), unit: unit.into() })
            .map(|amount| (amount.measure, amount.number))
    }

    #[test]
    fn jin_and_kilograms_are_the_same_grams() {
        assert_eq!(read("2000", Unit::Jin), Some((Unit::Gram, 1_000_000)));
        assert_eq!(read("1000", Unit::Kilogram), Some((Unit::Gram, 1_000_000)));
        assert_eq!(read("0.3", Unit::Jin), Some((Unit::Gram, 150)));
        assert_eq!(read("1.5", Unit::Litre), Some((Unit::Millilitre, 1_500)));
    }

    #[test]
    fn what_is_counted_stays_in_its_own_unit() {
        assert_eq!(read("3", Unit::Box), Some((Unit::Box, 3)));
        assert_ne!(read("3", Unit::Box), read("3", Unit::Bottle));
        assert_eq!(read("0.5", Unit::Bottle), None);
    }

    #[test]
    fn nothing_is_rounded_and_nothing_that_is_no_number_is_taken() {
        for wrong in ["", "0", "0.0", "-1", "+1", "1e3", "1.", ".5", "一", "1,000", "0.001", "9999999999999"] {
            assert_eq!(read(wrong, Unit::Jin), None, "{wrong}");
        }
        assert_eq!(read("1", Unit::Unspecified), None);
        assert_eq!(read("200000000", Unit::Kilogram), None);
    }

    #[test]
    fn amounts_are_shown_without_losing_a_gram() {
        let text = |measure, number| shown(measure, number).number;
        assert_eq!(shown(Unit::Gram, 999_999), Quantity { number: "999.999".into(), unit: Unit::Kilogram.into() });
        assert_eq!(text(Unit::Gram, 1_500), "1.5");
        assert_eq!(text(Unit::Gram, 1_000_000), "1000");
        assert_eq!(shown(Unit::Gram, 150), Quantity { number: "150".into(), unit: Unit::Gram.into() });
        assert_eq!(text(Unit::Bottle, 1_500), "1500");
    }
}
