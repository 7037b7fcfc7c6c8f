//! When the holder of a pass may go out: at any time, within the hours of the day that the method names, or as often as it allows
//! the household (R18). The pass says which of these it is; the numbers are those of the method in force. Nobody is kept from
//! coming home by it.

use chassis::{CALENDAR, day_of};
use chrono::{DateTime, Days, NaiveTime, TimeDelta, Timelike as _, Utc};
use proto::pass::v1;

/// What a pass is good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    #[default]
    Unrestricted,
    Daytime,
    /// The method's days when it was issued, as its code carries them.
    Household {
        days: u8,
    },
}

/// The numbers of the method in force, where it has any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub daytime: Option<Hours>,
    pub outings: Option<Outings>,
}

/// Of the day in Ningbo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    pub from: u32,
    pub to: u32,
}

/// So many of a household within so many days, today among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outings {
    pub people: u32,
    pub days: u32,
}

/// The same pass the same way again within this time is one passage, scanned twice.
pub const AT_ONCE: TimeDelta = TimeDelta::minutes(3);

impl Access {
    pub fn of(access: v1::Access, days: u32) -> Self {
        match access {
            v1::Access::Unspecified | v1::Access::Unrestricted => Self::Unrestricted,
            v1::Access::Daytime => Self::Daytime,
            v1::Access::Household => Self::Household { days: u8::try_from(days).unwrap_or(u8::MAX).clamp(1, 127) },
        }
    }

    pub fn kind(self) -> v1::Access {
        match self {
            Self::Unrestricted => v1::Access::Unrestricted,
            Self::Daytime => v1::Access::Daytime,
            Self::Household { .. } => v1::Access::Household,
        }
    }

    /// As the record keeps them.
    pub fn days(self) -> u32 {
        if let Self::Household { days } = self { days.into() } else { 0 }
    }
}

impl Limits {
    /// Numbers of a method; 0 where it has none.
    pub fn new(daytime: [i32; 2], outings: [i32; 2]) -> Self {
        let number = |number: i32| u32::try_from(number).unwrap_or_default();
        let ([from, to], [people, days]) = (daytime.map(number), outings.map(number));
        Self {
            daytime: (from < to).then_some(Hours { from, to }),
            outings: (people > 0 && days > 0).then_some(Outings { people, days }),
        }
    }

    /// A pass of this kind, where the method has numbers for it.
    pub fn grant(self, wanted: v1::Access) -> Option<Access> {
        let days = self.outings.map_or(0, |outings| outings.days);
        let there = match wanted {
            v1::Access::Unspecified | v1::Access::Unrestricted => true,
            v1::Access::Daytime => self.daytime.is_some(),
            v1::Access::Household => self.outings.is_some(),
        };
        there.then(|| Access::of(wanted, days))
    }

    /// The hours that keep the holder from going out at this time.
    pub fn closed(self, access: Access, at: DateTime<Utc>) -> Option<Hours> {
        self.daytime.filter(|hours| access == Access::Daytime && !hours.contain(at))
    }

    /// The quota that holds for this pass.
    pub fn quota(self, access: Access) -> Option<Outings> {
        self.outings.filter(|_| matches!(access, Access::Household { .. }))
    }
}

impl Hours {
    fn contain(self, at: DateTime<Utc>) -> bool {
        (self.from..self.to).contains(&at.with_timezone(&CALENDAR).hour())
    }
}

impl Outings {
    /// Midnight of the first day that counts.
    pub fn since(self, at: DateTime<Utc>) -> DateTime<Utc> {
        let day = day_of(at).checked_sub_days(Days::new(u64::from(self.days.saturating_sub(1))));
        let midnight = day.and_then(|day| day.and_time(NaiveTime::MIN).and_local_timezone(CALENDAR).single());
        midnight.map_or(at, |midnight| midnight.to_utc())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn daytime_passes_go_out_by_the_clock_of_ningbo() {
        let limits = Limits::new([6, 21], [0, 0]);
        let closed = |time: &str| limits.closed(Access::Daytime, at(time)).is_some();
        assert!(closed("2020-02-11T05:59:59+08:00") && !closed("2020-02-11T06:00:00+08:00"));
        assert!(!closed("2020-02-11T20:59:59+08:00") && closed("2020-02-11T21:00:00+08:00"));
        assert_eq!(limits.closed(Access::Unrestricted, at("2020-02-11T21:30:00+08:00")), None);
        assert_eq!(Limits::default().closed(Access::Daytime, at("2020-02-11T21:30:00+08:00")), None);
    }

    #[test]
    fn the_days_of_a_quota_begin_at_midnight_in_ningbo() {
        let two = Outings { people: 1, days: 2 };
        assert_eq!(two.since(at("2020-02-11T00:30:00+08:00")), at("2020-02-10T00:00:00+08:00"));
        assert_eq!(
            Outings { people: 1, days: 1 }.since(at("2020-02-11T23:59:00+08:00")),
            at("2020-02-11T00:00:00+08:00")
        );
    }

    #[test]
    fn a_method_grants_only_what_it_has_numbers_for() {
        assert_eq!(Limits::default().grant(v1::Access::Unrestricted), Some(Access::Unrestricted));
        for wanted in [v1::Access::Daytime, v1::Access::Household] {
            assert_eq!(Limits::default().grant(wanted), None);
        }
        let both = Limits::new([6, 21], [1, 2]);
        assert_eq!(both.grant(v1::Access::Household), Some(Access::Household { days: 2 }));
        assert_eq!(both.grant(v1::Access::Daytime).map(Access::kind), Some(v1::Access::Daytime));
    }
}
