//! Which figures there are, what each is a part of, and how they add up from neighbourhoods to the subdistrict.

use std::collections::BTreeMap;

use proto::command::v1::{self, Difference, Figures};

/// Figures by neighbourhood id.
pub type ByNeighbourhood = BTreeMap<String, Figures>;

/// One figure: what it is called, what it means, and where it stands.
pub struct Figure {
    /// As the field of the contract.
    pub name: &'static str,
    pub zh: &'static str,
    pub en: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// The figure that it is a part of; empty where it is part of none.
    pub of: &'static str,
    /// It counts a calendar day (Asia/Shanghai), and begins at zero each midnight.
    pub of_the_day: bool,
    /// Small numbers are hidden from whoever may not see the lists behind it: they could lead to a person. What officials set by
    /// hand is not: whoever oversees them must see the first one (R23).
    pub personal: bool,
    field: fn(&mut Figures) -> &mut i64,
}

impl Figure {
    pub fn value(&self, of: &Figures) -> i64 {
        let mut figures = *of;
        *(self.field)(&mut figures)
    }

    pub fn of<'a>(&self, figures: &'a mut Figures) -> &'a mut i64 {
        (self.field)(figures)
    }

    pub(crate) fn message(&self, listed: bool) -> v1::Figure {
        v1::Figure {
            name: self.name.to_owned(),
            display_name_zh: self.zh.to_owned(),
            display_name_en: self.en.to_owned(),
            denominator: self.of.to_owned(),
            unit: self.unit.to_owned(),
            of_the_day: self.of_the_day,
            personal: self.personal,
            listed,
        }
    }
}

/// The figure of that name.
pub fn find(name: &str) -> Option<&'static Figure> {
    ALL.iter().find(|figure| figure.name == name)
}

macro_rules! figures {
    ($($name:ident $id:ident $(/ $part:ident)? $day:ident $personal:ident $unit:literal $zh:literal $en:literal;)*) => {
        /// Which figure, for whoever counts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Which { $($id),* }

        /// Every figure, in the order of the contract.
        pub const ALL: &[Figure] = &[$(Figure {
            name: stringify!($name),
            zh: $zh,
            en: $en,
            unit: $unit,
            of: figures!(@part $($part)?),
            of_the_day: figures!(@day $day),
            personal: figures!(@personal $personal),
            field: |figures| &mut figures.$name,
        }),*];

        /// Every figure, in the same order.
        pub const WHICH: &[Which] = &[$(Which::$id),*];

        /// A sum over neighbourhoods. No figure counts anything twice: every record belongs to one neighbourhood.
        pub fn total<'a>(figures: impl IntoIterator<Item = &'a Figures>) -> Figures {
            figures.into_iter().fold(Figures::default(), |sum, figures| Figures { $($name: sum.$name + figures.$name),* })
        }
    };
    (@part) => { "" };
    (@part $part:ident) => { stringify!($part) };
    (@day day) => { true };
    (@day state) => { false };
    (@personal person) => { true };
    (@personal thing) => { false };
}

figures! {
    households Households state thing "households" "户数" "households";
    rented Rented / households state thing "households" "出租户" "rented households";
    residents Residents state thing "residents" "人口" "residents";
    screened Screened / residents state thing "residents" "已核查人数" "residents with a verdict";
    clear Clear / screened state thing "residents" "核查无异常" "clear";
    declared_key_area DeclaredKeyArea / screened state person "residents" "如实申报重点地区" "declared a key area";
    concealed Concealed / screened state person "residents" "隐瞒重点地区" "concealed a key area";
    undeclared Undeclared / screened state person "residents" "漏报其他地区" "undeclared elsewhere";
    to_ask ToAsk / screened state person "residents" "待人工核实" "for a person to decide";
    disputed Disputed / residents state person "residents" "申诉中" "in dispute";
    passes Passes / residents state thing "passes" "有效出入证" "passes that open a gate";
    households_with_pass HouseholdsWithPass / households state thing "households" "持证户" "households with a pass";
    crossings Crossings day thing "crossings" "今日进出人次" "crossings today";
    refused Refused / crossings day person "crossings" "今日拒绝放行" "refused today";
    fevers Fevers / crossings day person "crossings" "今日门岗发热" "fevers at gates today";
    home_isolation_persons HomeIsolationPersons / residents state person "residents" "居家隔离人数" "persons in home isolation";
    home_isolation_households HomeIsolationHouseholds / households state person "households" "居家隔离户数"
        "households in home isolation";
    central_isolation_persons CentralIsolationPersons / residents state person "residents" "集中隔离人数"
        "persons in central isolation";
    handed_over HandedOver state person "orders" "已移交" "handed over to the health team";
    released_persons ReleasedPersons state person "orders" "期满解除人次" "released after their period";
    released_households ReleasedHouseholds / households state person "households" "期满解除户数"
        "households released after their period";
    watched_persons WatchedPersons / residents state person "residents" "健康观察人数" "persons under health watch";
    breaches Breaches state person "breaches" "违反隔离" "breaches of isolation";
    overridden Overridden / screened state thing "residents" "人工认定" "verdicts set by two people";
    visited_households VisitedHouseholds / households state thing "households" "十四日内已走访户" "households met within 14 days";
    never_visited_households NeverVisitedHouseholds / households state thing "households" "从未走访户"
        "households never met";
    key_persons KeyPersons / residents state person "residents" "重点人员" "key persons";
    key_persons_seen KeyPersonsSeen / key_persons state person "residents" "十四日内见到的重点人员"
        "key persons met within 14 days";
    disputes_late DisputesLate / disputed state person "residents" "申诉逾期" "disputes answered late";
    overrides_proposed OverridesProposed state thing "residents" "人工认定待复核" "overrides that wait for a signature";
    manual_verdicts ManualVerdicts / screened state thing "residents" "证据未齐即下结论" "verdicts before all numbers were scanned";
    inside Inside / residents state thing "residents" "在小区内" "last seen going in";
    outside Outside / residents state thing "residents" "已外出" "last seen going out";
    readings_due ReadingsDue day thing "readings" "今日应测体温" "readings due today";
    readings_taken ReadingsTaken / readings_due day thing "readings" "今日已测" "readings taken today";
    readings_missed ReadingsMissed / readings_due day thing "readings" "今日漏测" "readings missed today";
    symptoms Symptoms / readings_taken day person "readings" "今日发热或有症状" "readings with fever or symptoms today";
    orders_proposed OrdersProposed state person "orders" "告知书待复核" "orders that wait for a signature";
    needs_open NeedsOpen state thing "needs" "待办需求" "needs not met yet";
    needs_claimed NeedsClaimed / needs_open state thing "needs" "已认领需求" "needs that somebody answers for";
    needs_late NeedsLate / needs_open state thing "needs" "逾期需求" "needs past their time";
    needs_met NeedsMet day thing "needs" "今日已满足需求" "needs met today";
    supplies_short SuppliesShort state thing "items" "短缺物资" "items short of need";
    donations Donations day thing "donations" "今日捐赠" "donations today";
    duties Duties day thing "duties" "今日班次" "duties today";
    roster_gaps RosterGaps / duties day thing "duties" "今日空岗" "duties that nobody holds today";
    rounds_due RoundsDue state thing "rounds" "每日应消杀" "rounds due each day";
    rounds_made RoundsMade / rounds_due day thing "rounds" "今日已消杀" "rounds made today";
    volunteers Volunteers state thing "volunteers" "志愿者" "volunteers";
    confirmed_cases ConfirmedCases / residents state person "residents" "确诊" "confirmed cases";
    screened_today ScreenedToday day thing "cases" "今日核查" "cases screened today";
    issued_today IssuedToday day thing "passes" "今日发证" "passes issued today";
    ordered_today OrderedToday day person "orders" "今日新增隔离" "orders that began today";
    released_today ReleasedToday day person "orders" "今日解除" "orders that ended today";
    visits_today VisitsToday day thing "visits" "今日走访" "visits today";
    conflicts Conflicts / crossings day person "crossings" "今日脱机误判" "decided otherwise by an offline gate today";
}

/// Where shown and recounted figures disagree, the subdistrict's sums included.
pub fn differences(shown: &ByNeighbourhood, recounted: &ByNeighbourhood) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut compare = |neighbourhood: String, shown: &Figures, recounted: &Figures| {
        for figure in ALL {
            let (shown, recounted) = (figure.value(shown), figure.value(recounted));
            if shown != recounted {
                let figure = figure.name.to_owned();
                differences.push(Difference { neighbourhood: neighbourhood.clone(), figure, shown, recounted });
            }
        }
    };
    compare(String::new(), &total(shown.values()), &total(recounted.values()));
    let ids: std::collections::BTreeSet<&String> = shown.keys().chain(recounted.keys()).collect();
    for id in ids {
        let of = |figures: &ByNeighbourhood| figures.get(id).copied().unwrap_or_default();
        compare(format!("neighbourhoods/{id}"), &of(shown), &of(recounted));
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

    #[test]
    fn every_figure_of_the_contract_is_counted_and_every_part_has_its_whole() {
        let files = <prost_types::FileDescriptorSet as prost::Message>::decode(proto::DESCRIPTORS).unwrap().file;
        let messages =
            files.into_iter().filter(|file| file.package() == "command.v1").flat_map(|file| file.message_type);
        let fields = messages.into_iter().find(|message| message.name() == "Figures").unwrap().field;
        let names: Vec<String> = fields.into_iter().map(|field| field.name().to_owned()).collect();
        assert_eq!(names, ALL.iter().map(|figure| figure.name.to_owned()).collect::<Vec<_>>());
        for figure in ALL.iter().filter(|figure| !figure.of.is_empty()) {
            assert!(find(figure.of).is_some(), "{} is a part of {}, which is no figure", figure.name, figure.of);
        }
    }
}
