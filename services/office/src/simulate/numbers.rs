//! Every number of the simulated world in one place, as data: sizes, shares, hours. DOMAIN section 6 has where they come from.

use serde::Serialize;

/// What the world is like. Shares are of one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Numbers {
    pub people: u32,
    pub households: u32,
    pub compounds: u32,
    pub neighbourhoods: u32,
    /// Of the households.
    pub rented: f64,
    /// Of the people, screened on the two days before the first one.
    pub first_wave: f64,
    /// Of the people, who come back and are screened each day.
    pub returns: f64,
    /// Of those screened, who were in another city.
    pub travelled: f64,
    /// Of those screened, who were in a key area of the shipped method, and say so.
    pub key_areas: f64,
    /// Of those screened, who leave out a place where they were.
    pub conceal: f64,
    /// Of those screened, whom a carrier shows in a city where nobody was.
    pub carrier_errors: f64,
    /// Of those screened, whom a mast across the border has caught for a day (R6).
    pub border_noise: f64,
    /// Of those screened, for whom the carrier has no data (R4).
    pub no_data: f64,
    /// Of those screened, whose carrier shows fourteen days and no more (R1).
    pub short_windows: f64,
    /// Of the people, who have a second number (R5).
    pub second_numbers: f64,
    /// Of those wronged, who dispute it (R24).
    pub dispute: f64,
    /// For each person of the subdistrict, by day.
    pub crossings: f64,
    /// Of the crossings: 37.3 °C or more (R14).
    pub fevers: f64,
    /// Of the crossings: visitors, whom R16 refuses.
    pub visitors: f64,
    /// Of the readings of those isolated, which nobody takes until the release asks for them.
    pub forgotten: f64,
    /// For each person of the subdistrict, by day.
    pub needs: f64,
    /// For each neighbourhood, by day.
    pub donations: f64,
    /// One of so many people helps.
    pub people_per_volunteer: u32,
    /// Main gates with a computer, which send what waits by quarters of an hour; at the others a guard's phone sends each crossing.
    /// Each is enrolled with a one-time code, and a server takes ten codes a minute.
    pub gate_computers: u32,
}

/// The planning figures of the subdistrict.
impl Default for Numbers {
    fn default() -> Self {
        Self {
            people: 150_000,
            households: 60_000,
            compounds: 80,
            neighbourhoods: 25,
            rented: 0.45,
            first_wave: 0.16,
            returns: 0.02,
            travelled: 0.20,
            key_areas: 0.025,
            conceal: 0.015,
            carrier_errors: 0.005,
            border_noise: 0.007,
            no_data: 0.02,
            short_windows: 0.10,
            second_numbers: 0.05,
            dispute: 0.9,
            crossings: 64_000.0 / 150_000.0,
            fevers: 0.000_5,
            visitors: 0.01,
            forgotten: 0.01,
            needs: 0.000_4,
            donations: 0.5,
            people_per_volunteer: 400,
            gate_computers: 40,
        }
    }
}

impl Numbers {
    /// As many people, and all else in proportion; at least one of each.
    pub fn of_people(people: u32) -> Self {
        let whole = Self::default();
        let part = |of: u32| scaled(f64::from(of), f64::from(people) / f64::from(whole.people)).max(1);
        let neighbourhoods = part(whole.neighbourhoods);
        Self {
            people,
            households: part(whole.households),
            compounds: part(whole.compounds).max(neighbourhoods),
            neighbourhoods,
            gate_computers: part(whole.gate_computers),
            ..whole
        }
    }

    pub(crate) fn first_wave_people(&self) -> u32 {
        scaled(f64::from(self.people), self.first_wave)
    }

    pub(crate) fn returns_a_day(&self) -> u32 {
        scaled(f64::from(self.people), self.returns)
    }

    pub(crate) fn crossings_a_day(&self) -> u32 {
        scaled(f64::from(self.people), self.crossings)
    }

    pub(crate) fn needs_a_day(&self) -> u32 {
        scaled(f64::from(self.people), self.needs).max(1)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and a share of a count is no less than 0"
)]
fn scaled(of: f64, share: f64) -> u32 {
    (of * share).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_world_is_the_same_one_in_proportion() {
        let small = Numbers::of_people(6_000);
        assert_eq!((small.neighbourhoods, small.compounds, small.households), (1, 3, 2_400));
        assert_eq!(Numbers::of_people(150_000), Numbers::default());
        assert_eq!(Numbers::default().crossings_a_day(), 64_000);
        assert_eq!(Numbers::default().returns_a_day(), 3_000);
        assert_eq!(Numbers::default().first_wave_people(), 24_000);
        let tiny = Numbers::of_people(1);
        assert_eq!((tiny.neighbourhoods, tiny.compounds, tiny.households), (1, 1, 1));
    }
}
