use std::collections::HashMap;

use chassis::Ledger;
use credential::{
    payload::{LENGTH, Payload},
    text::{Prefix, unarmour},
};
use proto::{
    registry::v1::compound_event,
    screening::v1::{Measure, Outcome},
};

use super::world::{World, home, once};
use crate::{desk::Desk, domain::compound_code::CompoundCode};

/// Two ids from which the same number derives: among some hundred there are always two.
fn alike(desk: &Desk) -> [String; 2] {
    let mut seen: HashMap<u16, String> = HashMap::new();
    for number in 0.. {
        let id = format!("compound-{number}");
        if let Some(other) = seen.insert(desk.compound(&id), id.clone()) {
            return [other, id];
        }
    }
    unreachable!("there are only 65,536 numbers")
}

async fn numbered(ledger: &Ledger, compound: &str) -> u16 {
    once("the compound gets no number", async || ledger.load::<CompoundCode>(compound).await.unwrap().0.code).await
}

#[tokio::test]
async fn no_two_compounds_have_one_number_and_each_pass_and_gate_says_its_own() {
    let mut world = World::with_gates().await;
    let desk = std::sync::Arc::clone(&world.api.issuing.timekeeper.desk);
    let ledger = world.host.ledger("pass").await.unwrap();
    let compounds = alike(&desk);
    let mut codes = Vec::new();
    for compound in &compounds {
        let opened = compound_event::Opened { neighbourhood_id: "n1".to_owned(), ..Default::default() };
        world.fact("n1", "", compound, vec![compound_event::Event::Opened(opened)]).await;
        codes.push(numbered(&ledger, compound).await);
    }
    assert_eq!(codes[0], desk.compound(&compounds[0]), "the first one keeps what derives from its id");
    assert_ne!(codes[0], codes[1]);
    for (compound, code) in compounds.iter().zip(&codes) {
        let (resident, home) = (format!("of-{compound}"), home("n1", compound));
        world.resident(&resident, &home).await;
        world.assessed(&format!("clear-{resident}"), &resident, &home, Outcome::Clear, Measure::None).await;
        let pass = world.issue(&resident).await.unwrap();
        let bytes = unarmour(Prefix::Pass, &pass.code).unwrap();
        let payload = Payload::from_bytes(bytes[..LENGTH].try_into().unwrap()).unwrap();
        assert_eq!(payload.compound, *code);
        assert_eq!(world.issue(&resident).await.unwrap().code, pass.code, "printed again it is the same");
        assert_eq!(world.api.issuing.codes.all(compound).await.unwrap(), [*code], "what its gates take");
    }
}
