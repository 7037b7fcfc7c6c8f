//! What a person says against a verdict is answered in time by somebody else, or goes up until it is (R24).

use chassis::{
    client::{Connection, new_request_id},
    refusal::Spoken,
};
use proto::{
    access::v1::Role,
    screening::v1::{
        CarrierError, DecideNameRequest, Dispute, DisputeCaseRequest, Escalation, GetDisputeRequest, Instance,
        ListCarrierErrorsRequest, ListDisputesRequest, Outcome, Proof, ProofKind, ResolveDisputeRequest, Source,
        StatementAuthor, Words, dispute::State, dispute_service_client::DisputeServiceClient,
        screening_service_client::ScreeningServiceClient, vocabulary_service_client::VocabularyServiceClient,
    },
};
use tests::{House, once, time, village::Village};

const FILED: &str = "2020-02-11T16:00:00+08:00";

struct Street {
    house: House,
    village: Village,
    /// Seen for a day in 武汉, and at home before and after.
    case: String,
}

impl Street {
    async fn open() -> Self {
        let house = House::new().await;
        let village = Village::found(&house, "330212002001").await;
        village.publish_method(&house).await;
        let resident = village.resident(&house, "1幢", "王小明", "13900000001").await;
        house.settled().await;
        let seen = [("宁波", "2020-01-01", "2020-02-10"), ("武汉", "2020-01-20", "2020-01-20")];
        let case = village.screened(&house, &resident, &seen).await;
        assert_eq!(case.verdict.unwrap().outcome(), Outcome::ConcealedKeyArea);
        Self { house, village, case: case.name }
    }

    fn worker(&self, at: &str) -> Connection {
        self.village.worker(&self.house).at(time(at))
    }

    fn health(&self, at: &str) -> Connection {
        self.house.central("staff/health", Role::Health, "health").at(time(at))
    }

    fn officer(&self, at: &str) -> Connection {
        self.house.central("staff/officer", Role::Officer, "subdistrict").at(time(at))
    }

    async fn dispute(&self) {
        let request = DisputeCaseRequest {
            request_id: new_request_id(),
            case: self.case.clone(),
            statement: "我父亲一月没有离开过宁波".into(),
            author: StatementAuthor::Family.into(),
            author_role: "长子".into(),
        };
        ScreeningServiceClient::new(self.worker(FILED)).dispute_case(request).await.unwrap();
    }

    async fn disputes(&self, asks: Connection, wanted: ListDisputesRequest) -> Vec<Dispute> {
        DisputeServiceClient::new(asks).list_disputes(wanted).await.unwrap().into_inner().disputes
    }

    async fn open_one(&self, at: &str) -> Dispute {
        let mut open = self.disputes(self.worker(at), ListDisputesRequest::default()).await;
        assert_eq!(open.len(), 1);
        open.remove(0)
    }

    /// Something happens at that time, so that everybody knows that it has come.
    async fn it_is(&self, at: &str) {
        let decide = DecideNameRequest {
            request_id: new_request_id(),
            words: Words::Declared.into(),
            spelling: format!("某地 {at}"),
            codes: Vec::new(),
            no_place: true,
        };
        VocabularyServiceClient::new(self.worker(at)).decide_name(decide).await.unwrap();
    }

    /// Waits until the dispute has gone up to there.
    async fn gone_up(&self, to: Instance, at: &str) -> Dispute {
        let there = async || Some(self.open_one(at).await).filter(|dispute| dispute.instance() == to);
        once(&format!("the dispute is not with {to:?}"), there).await
    }

    fn answer(&self) -> ResolveDisputeRequest {
        ResolveDisputeRequest {
            request_id: new_request_id(),
            case: self.case.clone(),
            upheld: true,
            struck_visits: vec![1],
            finding: "单位考勤与门岗登记一致".into(),
            proofs: vec![Proof { kind: ProofKind::Workplace.into(), description: "一月考勤表".into() }],
            evidence_ids: Vec::new(),
        }
    }

    async fn carrier_errors(&self, at: &str) -> Vec<CarrierError> {
        let counted = async || {
            let request = ListCarrierErrorsRequest { source: Source::Mobile.into(), ..Default::default() };
            let mut client = DisputeServiceClient::new(self.officer(at));
            let found = client.list_carrier_errors(request).await.unwrap().into_inner().carrier_errors;
            Some(found).filter(|found| !found.is_empty())
        };
        once("no error of a carrier was counted", counted).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_is_stated_for_somebody_weighed_answered_by_another_and_counted_against_the_carrier() {
    let street = Street::open().await;
    let mut desk = ScreeningServiceClient::new(street.worker(FILED));
    let unsaid = DisputeCaseRequest {
        request_id: new_request_id(),
        case: street.case.clone(),
        statement: "他没有去过".into(),
        author: StatementAuthor::Family.into(),
        author_role: String::new(),
    };
    let refused = Spoken::from(&desk.dispute_case(unsaid).await.unwrap_err());
    assert_eq!(refused.fields[0].field, "author_role", "somebody for them says who they are");
    street.dispute().await;

    let open = street.open_one("2020-02-12T12:40:00+08:00").await;
    assert_eq!((open.author(), open.left_minutes), (StatementAuthor::Family, 200));
    assert_eq!((open.instance(), open.late), (Instance::Neighbourhood, false));
    assert!(open.statement.is_none(), "lists hold no words");
    let get = || GetDisputeRequest { name: open.name.clone() };
    let noon = "2020-02-11T17:00:00+08:00";
    let shown = DisputeServiceClient::new(street.worker(noon)).get_dispute(get()).await.unwrap().into_inner();
    let statement = shown.statement.unwrap();
    assert_eq!((statement.text.as_str(), statement.author_role.as_str()), ("我父亲一月没有离开过宁波", "长子"));
    let figures = DisputeServiceClient::new(street.officer(noon)).get_dispute(get()).await.unwrap().into_inner();
    assert!(figures.statement.is_none(), "words are for those who act on them");
    let stranger = street.house.local("staff/stranger", Role::Director, "neighbourhoods/elsewhere").at(time(noon));
    let refused = DisputeServiceClient::new(stranger.clone()).get_dispute(get()).await.unwrap_err();
    assert_eq!(Spoken::from(&refused).reason, "NOT_FOUND");
    assert!(street.disputes(stranger, ListDisputesRequest::default()).await.is_empty());

    let mut health = ScreeningServiceClient::new(street.health(noon));
    let bare = ResolveDisputeRequest { proofs: Vec::new(), ..street.answer() };
    let refused = Spoken::from(&health.resolve_dispute(bare).await.unwrap_err());
    assert_eq!(refused.fields[0].field, "proofs", "a dispute is upheld on something");
    let foreign = ResolveDisputeRequest { evidence_ids: vec!["elsewhere".into()], ..street.answer() };
    let refused = Spoken::from(&health.resolve_dispute(foreign).await.unwrap_err());
    assert_eq!(refused.fields[0].field, "evidence_ids");
    let resolved = health.resolve_dispute(street.answer()).await.unwrap().into_inner();
    assert_eq!(resolved.verdict.unwrap().outcome(), Outcome::Clear);

    street.house.settled().await;
    let shown = DisputeServiceClient::new(street.worker(noon)).get_dispute(get()).await.unwrap().into_inner();
    assert_eq!((shown.state(), shown.late, shown.struck_visits), (State::Upheld, false, 1));
    assert_eq!(shown.evidence_ids.len(), 1, "all evidence of the case, where none was named");
    let finding = shown.finding.unwrap();
    assert_eq!(finding.proofs[0].kind(), ProofKind::Workplace);
    assert!(street.disputes(street.worker(noon), ListDisputesRequest::default()).await.is_empty());
    let errors = street.carrier_errors(noon).await;
    let pairs: Vec<_> =
        errors.iter().map(|error| (error.city_name.as_str(), error.instead_name.as_str(), error.errors)).collect();
    assert_eq!(pairs, [("武汉", "宁波", 1)]);
    assert_eq!(errors[0].last_day, "2020-02-11");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_answered_in_time_goes_up_to_the_subdistrict_and_to_the_health_team_also_over_a_restart() {
    let mut street = Street::open().await;
    street.dispute().await;
    let late = "2020-02-12T18:00:00+08:00";
    street.it_is("2020-02-12T15:59:00+08:00").await;
    assert_eq!(street.open_one("2020-02-12T15:59:00+08:00").await.left_minutes, 1);
    street.it_is(late).await;
    let dispute = street.gone_up(Instance::Subdistrict, late).await;
    assert_eq!((dispute.left_minutes, dispute.late), (-120, true));
    let late_ones = ListDisputesRequest { late: true, instance: Instance::Subdistrict.into(), ..Default::default() };
    assert_eq!(street.disputes(street.officer(late), late_ones.clone()).await.len(), 1, "the subdistrict sees it");

    street.house = street.house.restarted().await;
    street.house.settled().await;
    // The method of this street says twelve hours until the next step.
    let night = "2020-02-13T04:00:00+08:00";
    street.it_is(night).await;
    let dispute = street.gone_up(Instance::Health, night).await;
    let steps: Vec<Instance> = dispute.escalations.iter().map(Escalation::to).collect();
    assert_eq!(steps, [Instance::Subdistrict, Instance::Health], "each step once");

    ScreeningServiceClient::new(street.health(night)).resolve_dispute(street.answer()).await.unwrap();
    street.house.settled().await;
    let upheld = ListDisputesRequest { state: State::Upheld.into(), late: true, ..Default::default() };
    let answered = street.disputes(street.worker(night), upheld).await;
    assert!(answered[0].late, "answered after its time");
    assert!(street.disputes(street.officer(night), late_ones).await.is_empty());
    let metrics = street.house.page("/metrics").await;
    assert!(metrics.contains("screening_disputes_late"), "late ones can raise an alarm");
}
