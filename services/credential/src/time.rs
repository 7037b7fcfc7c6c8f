/// Unix time of 2020-01-01 00:00 UTC, where both counts begin.
const EPOCH: i64 = 1_577_836_800;
const HOUR: u32 = 3600;

/// Hours since 2020-01-01 00:00 UTC: good until June 2027.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(pub u16);

/// Seconds since 2020-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Second(pub u32);

impl Hour {
    /// The last hour of the calendar also stands for "never".
    pub const NEVER: Self = Self(u16::MAX);

    /// The hour in which this instant of Unix time (seconds) lies; `None` before 2020 and after June 2027.
    pub fn of_unix(unix: i64) -> Option<Self> {
        u16::try_from((unix - EPOCH).div_euclid(i64::from(HOUR))).ok().map(Self)
    }

    pub fn start(self) -> Second {
        Second(u32::from(self.0) * HOUR)
    }

    /// The first second after it.
    pub fn end(self) -> Second {
        Second((u32::from(self.0) + 1) * HOUR)
    }
}

impl Second {
    /// `None` before 2020 and after 2155.
    pub fn of_unix(unix: i64) -> Option<Self> {
        u32::try_from(unix - EPOCH).ok().map(Self)
    }

    pub fn unix(self) -> i64 {
        EPOCH + i64::from(self.0)
    }

    /// The hour in which it lies; after the calendar's end its last one.
    pub fn hour(self) -> Hour {
        Hour(u16::try_from(self.0 / HOUR).unwrap_or(u16::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_counted_from_2020() {
        assert_eq!(Hour::of_unix(EPOCH + 3599), Some(Hour(0)));
        // 2020-02-11T06:30:00Z
        let half_past_six = 1_581_402_600;
        assert_eq!(Hour::of_unix(half_past_six).map(|hour| hour.start().unix()), Some(half_past_six - 1800));
        assert_eq!(Hour::of_unix(EPOCH - 1), None);
        // 2027-07-01T00:00:00Z
        assert_eq!(Hour::of_unix(1_814_400_000), None);
    }

    #[test]
    fn a_second_lies_in_its_hour() {
        assert_eq!(Second(7199).hour(), Hour(1));
        assert_eq!(Second(7200).hour(), Hour(2));
        assert_eq!(Hour(1).end(), Second(7200));
        assert_eq!(Second(u32::MAX).hour(), Hour::NEVER);
        assert_eq!(Second::of_unix(EPOCH - 1), None);
    }
}
