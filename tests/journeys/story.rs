//! The eleventh of February: its numbers come out of the services, and the same seed gives the same.

use office::story::{Playbill, play};
use proto::access::v1::Role;
use tests::House;

async fn told(house: &House, seed: u32) -> serde_json::Value {
    let token = house.token("staff/demonstration", Role::Administrator, "subdistrict", "", "");
    play(Playbill { address: house.address().to_owned(), token, authority: None, seed, json: true }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_adds_up_and_told_twice_changes_nothing() {
    let house = House::new().await;
    let numbers = told(&house, 1).await;
    assert_eq!(numbers["households"], 1_729);
    assert_eq!(numbers["rented"], 1_300);
    assert_eq!(numbers["handed_over"], 4);
    assert_eq!(numbers["home_isolation_households"], 1);
    assert_eq!(numbers["released_households"], 4);
    assert_eq!(numbers["concealed"], 3);
    assert_eq!(numbers["fevers"], 1);
    // A found pass, the isolated tenant, a visitor, a forged code.
    assert_eq!(numbers["refused"], 4);
    assert_eq!(numbers["recount_equal"], true);
    assert!(numbers["households_with_pass"].as_i64().unwrap() > 1_200, "{numbers}");
    let crossings = numbers["crossings"].as_i64().unwrap();
    assert!((760..=850).contains(&crossings), "{numbers}");
    assert!(numbers["undeclared"].as_i64().unwrap() > 1, "{numbers}");

    let positions = house.told().await;
    assert_eq!(told(&house, 1).await, numbers, "told a second time");
    assert_eq!(house.told().await, positions, "told a second time it adds nothing to the logs");

    let house = house.restarted().await;
    assert_eq!(told(&house, 1).await, numbers, "told after a restart");

    let token = house.token("staff/demonstration", Role::Administrator, "subdistrict", "", "");
    let other =
        play(Playbill { address: house.address().to_owned(), token, authority: None, seed: 2, json: true }).await;
    let sentence = format!("{:#}", other.unwrap_err());
    assert!(sentence.contains("another story"), "{sentence}");
}
