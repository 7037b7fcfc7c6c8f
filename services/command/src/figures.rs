//! Which figures there are, and how they add up from neighbourhoods to the subdistrict.

use std::collections::BTreeMap;

use proto::command::v1::{Difference, Figures};

/// Figures by neighbourhood id.
pub type ByNeighbourhood = BTreeMap<String, Figures>;

/// One figure: its name as in the contract, and where it stands.
pub struct Figure {
    pub name: &'static str,
    pub of: fn(&mut Figures) -> &mut i64,
}

macro_rules! figures {
    ($($name:ident),* $(,)?) => {
        /// Every figure, in the order of the contract.
        pub const ALL: &[Figure] = &[$(Figure { name: stringify!($name), of: |figures| &mut figures.$name }),*];

        /// A sum over neighbourhoods. No figure counts anything twice: every record belongs to one neighbourhood.
        pub fn total<'a>(figures: impl IntoIterator<Item = &'a Figures>) -> Figures {
            figures.into_iter().fold(Figures::default(), |sum, figures| Figures { $($name: sum.$name + figures.$name),* })
        }
    };
}

figures!(
    households,
    rented,
    residents,
    screened,
    clear,
    declared_key_area,
    concealed,
    undeclared,
    to_ask,
    disputed,
    passes,
    households_with_pass,
    crossings,
    refused,
    fevers,
    home_isolation_persons,
    home_isolation_households,
    central_isolation_persons,
    handed_over,
    released_persons,
    released_households,
    watched_persons,
    breaches,
    overridden,
);

/// Where shown and recounted figures disagree, the subdistrict's sums included.
pub fn differences(shown: &ByNeighbourhood, recounted: &ByNeighbourhood) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut compare = |neighbourhood: String, mut shown: Figures, mut recounted: Figures| {
        for figure in ALL {
            let (shown, recounted) = (*(figure.of)(&mut shown), *(figure.of)(&mut recounted));
            if shown != recounted {
                let (neighbourhood, figure) = (neighbourhood.clone(), figure.name.to_owned());
                differences.push(Difference { neighbourhood, figure, shown, recounted });
            }
        }
    };
    compare(String::new(), total(shown.values()), total(recounted.values()));
    let mut ids: Vec<&String> = shown.keys().chain(recounted.keys()).collect();
    ids.sort();
    ids.dedup();
    for id in ids {
        let of = |figures: &ByNeighbourhood| figures.get(id).copied().unwrap_or_default();
        compare(format!("neighbourhoods/{id}"), of(shown), of(recounted));
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbourhoods_sum_to_the_subdistrict() {
        let one = Figures { households: 3, breaches: 1, ..Figures::default() };
        let other = Figures { households: 4, ..Figures::default() };
        assert_eq!(total([&one, &other]), Figures { households: 7, breaches: 1, ..Figures::default() });
    }

    #[test]
    fn a_difference_names_the_neighbourhood_and_the_figure() {
        let shown = ByNeighbourhood::from([("n1".into(), Figures { passes: 2, ..Figures::default() })]);
        let recounted = ByNeighbourhood::from([("n1".into(), Figures { passes: 3, ..Figures::default() })]);
        let found = differences(&shown, &recounted);
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].neighbourhood, "neighbourhoods/n1");
        assert_eq!((found[1].figure.as_str(), found[1].shown, found[1].recounted), ("passes", 2, 3));
        assert!(differences(&shown, &shown).is_empty());
    }
}
