//! One question to a carrier, and what comes of it: evidence in the case, a reason why there is none yet, or a code that was
//! not the one. The carrier is asked between decisions, never within one; what it answers is decided on the case as it is then.

use chassis::{Call, Clock, Failure, Ledger, Refuse as _, Vault, day_of, timestamp};
use chrono::TimeDelta;
use proto::screening::v1::{
    EvidenceKind, Itinerary, NoData, Permission, Source, case_event::EvidenceRecorded, inquiry_event::Tried,
};
use tonic::{Code, Status};

use crate::{
    api::Api,
    carriers::{
        carrier::{Answer, Trouble, Window},
        config::Carriers,
    },
    domain::{
        case::Case,
        inquiry::{About, Inquiry, Number, Refused, pause},
    },
};

pub(crate) struct Scanner {
    pub(crate) api: Api,
    pub(crate) carriers: Carriers,
    pub(crate) clock: Clock,
    /// Before a carrier is tried the second time.
    pub(crate) first_pause: TimeDelta,
}

/// One number of one case, and what is known of it.
pub(crate) struct Question<'a> {
    pub(crate) case_id: &'a str,
    pub(crate) case: &'a Case,
    pub(crate) phone: i32,
    pub(crate) number: &'a Number,
    /// With its code.
    pub(crate) permission: &'a Permission,
    /// The code was read out just now: it is kept for further tries.
    pub(crate) fresh: bool,
}

impl Scanner {
    pub(crate) fn ledger(&self) -> &Ledger {
        self.api.ledger()
    }

    pub(crate) fn vault(&self) -> &Vault {
        self.api.vault()
    }

    /// Asks once. `Ok` also where the carrier did not answer: that is on record then.
    pub(crate) async fn ask(&self, call: &Call, question: &Question<'_>) -> Result<(), Status> {
        let source = question.number.source();
        let Some(carrier) = self.carriers.of(source) else {
            return Err(refused(Refused::NotConfigured).into());
        };
        match carrier.look_up(question.permission, day_of(call.now)).await {
            Ok(Answer::Seen(window, itinerary)) => {
                self.record(call, question, window, Some(&itinerary), NoData::Unspecified).await
            }
            Ok(Answer::NoData(window, why)) => self.record(call, question, window, None, why).await,
            Ok(Answer::WrongCode) => self.reject(call, question, false).await,
            Ok(Answer::ExpiredCode) => self.reject(call, question, true).await,
            Err(trouble) => Ok(self.note(call, question, source, &trouble).await?),
        }
    }

    /// The very decision that an itinerary typed by hand meets. Its id is the permission's: whoever comes by the same answer
    /// again records nothing new.
    async fn record(
        &self,
        call: &Call,
        question: &Question<'_>,
        window: Window,
        itinerary: Option<&Itinerary>,
        no_data: NoData,
    ) -> Result<(), Status> {
        let scan = EvidenceRecorded {
            evidence_id: question.number.permission_id().to_owned(),
            source: question.number.source().into(),
            phone: question.phone,
            window_from: window.from.to_string(),
            window_to: window.to.to_string(),
            by: question.number.by().to_owned(),
            kind: EvidenceKind::Carrier.into(),
            no_data: no_data.into(),
            ..EvidenceRecorded::default()
        };
        let since = Some(question.number.place_since());
        let recorded = self.api.record_scan(&call.derive("evidence"), question.case_id, &scan, itinerary, since).await;
        if let Err(status) = recorded {
            if status.code() != Code::FailedPrecondition {
                return Err(status);
            }
            // Somebody was faster: with this very answer, or by closing the case in another way.
            let (case, _) = self.ledger().load::<Case>(question.case_id).await?;
            if !case.evidence().iter().any(|known| known.evidence_id == scan.evidence_id) {
                let about = about(question.case);
                self.lapse(call, question.case_id, about, question.phone, question.number).await?;
                return Err(status);
            }
        }
        Ok(self.answered(call, question).await?)
    }

    async fn answered(&self, call: &Call, question: &Question<'_>) -> Result<(), Failure> {
        let (about, permission) = (about(question.case), question.number.permission_id());
        let answered = |inquiry: &Inquiry, _| inquiry.answered(about, question.phone, permission);
        self.ledger()
            .transact(&call.derive("answered"), question.case_id, answered, |_: &Inquiry, _| ())
            .await
            .map(drop)
    }

    /// The permission is over: the person is to be asked again.
    pub(crate) async fn lapse(
        &self,
        call: &Call,
        case_id: &str,
        about: About<'_>,
        phone: i32,
        number: &Number,
    ) -> Result<(), Failure> {
        let lapse = |inquiry: &Inquiry, _| inquiry.lapse(about, phone, number.permission_id());
        self.ledger().transact(&call.derive("lapsed"), case_id, lapse, |_: &Inquiry, _| ()).await.map(drop)
    }

    async fn reject(&self, call: &Call, question: &Question<'_>, expired: bool) -> Result<(), Status> {
        let (about, permission) = (about(question.case), question.number.permission_id());
        // With nobody there to read it out again, a wrong code stays wrong.
        let expired = expired || !question.fresh;
        let reject = |inquiry: &Inquiry, _| inquiry.reject(about, question.phone, permission, expired);
        self.ledger().transact(&call.derive("rejected"), question.case_id, reject, |_: &Inquiry, _| ()).await?;
        Err(refused(if expired { Refused::CodeExpired } else { Refused::CodeWrong }).into())
    }

    /// No answer: when it is tried again, and with which code.
    async fn note(
        &self,
        call: &Call,
        question: &Question<'_>,
        source: Source,
        trouble: &Trouble,
    ) -> Result<(), Failure> {
        let tries = question.number.tries() + 1;
        tracing::warn!(carrier = source.as_str_name(), %trouble, tries, "a carrier has not answered and is tried again");
        let now = self.clock.now();
        let asked = trouble.pause.and_then(|pause| TimeDelta::from_std(pause).ok());
        let next = now + pause(tries, self.first_pause, asked);
        // The last try comes with the end of the permission.
        let next = question.number.end().map_or(next, |end| next.min(end));
        let about = about(question.case);
        let sealed =
            if question.fresh { Some(self.vault().seal(about.resident, question.permission).await?) } else { None };
        let tried = Tried {
            phone: question.phone,
            permission_id: question.number.permission_id().to_owned(),
            permission: sealed,
            trouble: trouble.kind.into(),
            detail: trouble.detail.clone(),
            time: Some(timestamp(now)),
            next_time: Some(timestamp(next)),
            tries,
        };
        let note = |inquiry: &Inquiry, _| inquiry.tried(about, &tried);
        self.ledger().transact(&call.derive("tried"), question.case_id, note, |_: &Inquiry, _| ()).await?;
        Ok(())
    }
}

pub(crate) fn about(case: &Case) -> About<'_> {
    let resident = case.opened().map_or("", |opened| &opened.resident_id);
    About { neighbourhood: case.neighbourhood(), resident }
}

pub(crate) fn refused(refusal: Refused) -> Failure {
    Failure::Refused(refusal.refusal())
}
