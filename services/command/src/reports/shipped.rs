//! The forms that come with the program: data, as any office would define them. They are version 1, until another is defined.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage};
use proto::command::v1::FormContent;

/// By id, in its order.
pub(crate) fn all() -> &'static [(&'static str, FormContent)] {
    &SHIPPED
}

pub(crate) fn find(id: &str) -> Option<&'static FormContent> {
    all().iter().find(|(shipped, _)| *shipped == id).map(|(_, content)| content)
}

const FILES: [(&str, &str); 4] = [
    ("daily", include_str!("../../data/forms/daily.json")),
    ("isolation", include_str!("../../data/forms/isolation.json")),
    ("screening", include_str!("../../data/forms/screening.json")),
    ("supplies", include_str!("../../data/forms/supplies.json")),
];

static SHIPPED: LazyLock<Vec<(&str, FormContent)>> =
    LazyLock::new(|| FILES.map(|(id, text)| (id, read(text).expect("the shipped forms are read by a test"))).into());

fn read(text: &str) -> anyhow::Result<FormContent> {
    let contract = DescriptorPool::decode(proto::DESCRIPTORS)?;
    let form = contract.get_message_by_name("command.v1.FormContent");
    let form = form.ok_or_else(|| anyhow::anyhow!("a form is not in the contract"))?;
    let mut json = serde_json::Deserializer::from_str(text);
    let message = DynamicMessage::deserialize(form, &mut json)?;
    json.end()?;
    Ok(message.transcode_to()?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::reports::{
        definition::{Surroundings, check},
        filling::Questions,
    };

    #[test]
    fn every_shipped_form_can_be_filled() {
        for (id, form) in all() {
            let others = all().iter().filter(|(other, _)| other != id).flat_map(|(_, form)| &form.questions);
            let others: Questions = others.map(|question| (question.id.clone(), question.clone())).collect();
            let needed = BTreeSet::new();
            let around = Surroundings { others: &others, own: &[], needed: &needed, neighbourhoods: BTreeSet::new() };
            check(form, &around).unwrap_or_else(|status| panic!("{id}: {status:?}"));
        }
    }

    #[test]
    fn no_question_is_asked_in_two_places() {
        let mut ids = BTreeSet::new();
        for question in all().iter().flat_map(|(_, form)| &form.questions) {
            assert!(ids.insert(&question.id), "{} is asked by two forms: let one name it", question.id);
        }
    }

    #[test]
    fn the_daily_report_is_due_at_ten() {
        assert_eq!(find("daily").unwrap().due_minute, (24 + 10) * 60, "R22");
    }
}
