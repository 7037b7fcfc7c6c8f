//! What a name means that no table knows is decided by two people of different units, for one source, and taken back by one;
//! whoever's verdict hangs on it is judged again without a scan.

use chassis::{
    client::{Connection, new_request_id},
    refusal::Spoken,
};
use proto::{
    access::v1::Role,
    registry::v1::Resident,
    screening::v1::{
        ConfirmNameRequest, DecideNameRequest, GetVocabularyRequest, ListCasesRequest, ListNameDecisionsRequest,
        NameDecision, Outcome, TakeBackNameRequest, Verdict, Vocabulary, Words, name_decision::State,
        screening_service_client::ScreeningServiceClient, vocabulary_service_client::VocabularyServiceClient,
    },
};
use tests::{
    House, once, time,
    village::{Stays, Village, compared},
};

const AT: &str = "2020-02-11T16:00:00+08:00";
const HOME: (&str, &str, &str) = ("宁波", "2020-01-01", "2020-02-10");

struct Street {
    house: House,
    village: Village,
}

impl Street {
    async fn open() -> Self {
        let house = House::new().await;
        let village = Village::found(&house, "330212002001").await;
        village.publish_method(&house).await;
        Self { house, village }
    }

    fn worker(&self) -> VocabularyServiceClient<Connection> {
        VocabularyServiceClient::new(self.village.worker(&self.house).at(time(AT)))
    }

    fn health(&self) -> VocabularyServiceClient<Connection> {
        VocabularyServiceClient::new(self.house.central("staff/health", Role::Health, "health").at(time(AT)))
    }

    async fn screened(&self, number: usize, said: Stays<'_>, seen: Stays<'_>) -> Resident {
        let (building, phone) = (format!("{number}幢"), format!("138{number:08}"));
        let resident = self.village.resident(&self.house, &building, "王某", &phone).await;
        self.house.settled().await;
        let case = self.village.case_of(&self.house, &resident).await;
        compared(self.village.worker(&self.house).at(time("2020-02-11T14:00:00+08:00")), case, said, seen).await;
        self.house.settled().await;
        resident
    }

    async fn verdict(&self, resident: &Resident) -> Verdict {
        let request = ListCasesRequest { parent: resident.name.clone(), ..ListCasesRequest::default() };
        let mut desk = ScreeningServiceClient::new(self.village.worker(&self.house).at(time(AT)));
        desk.list_cases(request).await.unwrap().into_inner().cases.remove(0).verdict.unwrap()
    }

    async fn decide(&self, words: Words, name: &str, codes: &[&str]) -> NameDecision {
        let request = DecideNameRequest {
            request_id: new_request_id(),
            words: words.into(),
            spelling: name.into(),
            codes: codes.iter().map(ToString::to_string).collect(),
            no_place: codes.is_empty(),
        };
        self.worker().decide_name(request).await.unwrap().into_inner()
    }

    async fn confirm(&self, decision: &NameDecision) -> NameDecision {
        let request = ConfirmNameRequest { request_id: new_request_id(), name: decision.name.clone() };
        self.health().confirm_name(request).await.unwrap().into_inner()
    }

    /// Waits until everybody was judged by the last change.
    async fn judged(&self) -> Vocabulary {
        let done = async || {
            let vocabulary = self.worker().get_vocabulary(GetVocabularyRequest { sequence: 0 }).await.unwrap();
            Some(vocabulary.into_inner()).filter(|vocabulary| vocabulary.done)
        };
        let vocabulary = once("nobody was judged again", done).await;
        self.house.settled().await;
        vocabulary
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_two_units_agree_on_answers_every_open_question_and_taking_it_back_asks_again() {
    let street = Street::open().await;
    let asked = street.screened(1, &[], &[HOME, ("海南", "2020-01-20", "2020-01-22")]).await;
    let said = street
        .screened(2, &[("老家", "2020-01-20", "2020-01-22")], &[HOME, ("成都", "2020-01-20", "2020-01-22")])
        .await;
    let other = street.screened(3, &[], &[HOME]).await;
    for resident in [&asked, &said] {
        let verdict = street.verdict(resident).await;
        assert_eq!((verdict.outcome(), verdict.vocabulary), (Outcome::UnresolvedPlace, 0));
    }

    let decision = street.decide(Words::Mobile, "海 南", &["460000"]).await;
    assert_eq!(decision.state(), State::Proposed);
    street.house.settled().await;
    assert_eq!(street.verdict(&asked).await.outcome(), Outcome::UnresolvedPlace, "one signature changes nothing");
    let own = ConfirmNameRequest { request_id: new_request_id(), name: decision.name.clone() };
    let director = street.house.local("staff/director", Role::Director, &street.village.neighbourhood).at(time(AT));
    let refused = VocabularyServiceClient::new(director).confirm_name(own.clone()).await.unwrap_err();
    assert_eq!(Spoken::from(&refused).reason, "SAME_UNIT");
    let moved = street.house.central("staff/worker", Role::Officer, "subdistrict").at(time(AT));
    let refused = VocabularyServiceClient::new(moved).confirm_name(own).await.unwrap_err();
    assert_eq!(Spoken::from(&refused).reason, "SAME_PERSON");

    let confirmed = street.confirm(&decision).await;
    assert_eq!((confirmed.state(), confirmed.from_sequence), (State::InForce, 2));
    let vocabulary = street.judged().await;
    assert_eq!((vocabulary.sequence, vocabulary.judged, vocabulary.changed), (2, 1, 1), "only who used the name");
    let verdict = street.verdict(&asked).await;
    assert_eq!((verdict.outcome(), verdict.vocabulary), (Outcome::UndeclaredElsewhere, 2));
    assert_eq!(street.verdict(&said).await.outcome(), Outcome::UnresolvedPlace, "that is another name");
    assert_eq!(street.verdict(&other).await.vocabulary, 0, "and nobody else was touched");

    let sichuan = street.decide(Words::Declared, "老家", &["510000"]).await;
    street.confirm(&sichuan).await;
    assert_eq!(street.judged().await.changed, 1);
    assert_eq!(street.verdict(&said).await.outcome(), Outcome::Clear);

    let back = TakeBackNameRequest {
        request_id: new_request_id(),
        name: decision.name.clone(),
        reason: "移动公司更正：指青海海南州".into(),
    };
    let taken = street.health().take_back_name(back).await.unwrap().into_inner();
    assert_eq!((taken.state(), taken.to_sequence), (State::TakenBack, 5));
    let vocabulary = street.judged().await;
    assert_eq!((vocabulary.sequence, vocabulary.changed), (5, 1));
    assert_eq!(street.verdict(&asked).await.outcome(), Outcome::UnresolvedPlace, "a question again, at once");
    assert_eq!(street.verdict(&said).await.outcome(), Outcome::Clear);

    let then = street.worker().get_vocabulary(GetVocabularyRequest { sequence: 4 }).await.unwrap().into_inner();
    let names: Vec<&str> = then.decisions.iter().map(|decision| decision.spelling.as_str()).collect();
    assert_eq!(names, ["海 南", "老家"], "what a verdict was read with can be read again");
    let all = street.worker().list_name_decisions(ListNameDecisionsRequest::default()).await.unwrap().into_inner();
    let states: Vec<State> = all.decisions.iter().map(NameDecision::state).collect();
    assert_eq!(states, [State::InForce, State::TakenBack], "the latest first");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_place_is_an_answer_and_no_code_is_overturned() {
    let street = Street::open().await;
    let roaming = street.screened(1, &[], &[HOME, ("漫游地", "2020-01-20", "2020-01-22")]).await;
    assert_eq!(street.verdict(&roaming).await.outcome(), Outcome::UnresolvedPlace);
    let decision = street.decide(Words::Mobile, "漫游地", &[]).await;
    street.confirm(&decision).await;
    street.judged().await;
    assert_eq!(street.verdict(&roaming).await.outcome(), Outcome::Clear);

    let wrong = |name: &str, codes: &[&str], no_place| DecideNameRequest {
        request_id: new_request_id(),
        words: Words::Unicom.into(),
        spelling: name.into(),
        codes: codes.iter().map(ToString::to_string).collect(),
        no_place,
    };
    for (request, reason, field) in [
        (wrong("武汉", &["330200"], false), "NO_QUESTION", None),
        (wrong("海南", &["330200"], false), "FIELD_INVALID", Some("codes")),
        (wrong("某地", &["999999"], false), "FIELD_INVALID", Some("codes")),
        (wrong("某地", &["330200"], true), "FIELD_INVALID", Some("codes")),
        (wrong("", &["330200"], false), "FIELD_INVALID", Some("spelling")),
    ] {
        let refused = Spoken::from(&street.worker().decide_name(request).await.unwrap_err());
        assert_eq!(refused.reason, reason);
        assert_eq!(refused.fields.first().map(|one| one.field.as_str()), field);
    }
}
