use clap::Subcommand;
use proto::screening::v1::{
    ConfirmNameRequest, DecideNameRequest, GetVocabularyRequest, ListNameDecisionsRequest, TakeBackNameRequest, Words,
    name_decision::State, vocabulary_service_client::VocabularyServiceClient,
};

use crate::{
    desk::{
        ask::{Act, Ask, Listing},
        typed,
    },
    output::print,
};

#[derive(Subcommand)]
pub enum Command {
    /// Says what a name of a source means; nothing changes before another unit confirms it
    #[command(
        after_help = "It is decided for everybody and stands in clear: no name that leads to a person.\n\nExamples:\n  mifeng place \
                            decide mobile 海南 632500\n  mifeng place decide unicom 漫游 --no-place"
    )]
    Decide {
        /// Whose word it is: mobile, unicom, telecom or declared
        #[arg(value_parser = typed::word(Words::as_str_name))]
        words: Words,
        /// As the source writes it
        name: String,
        /// Codes of GB/T 2260: one place, or all of a network
        #[arg(value_name = "CODE", required_unless_present = "no_place")]
        codes: Vec<String>,
        /// It names no place at all
        #[arg(long, conflicts_with = "codes")]
        no_place: bool,
        #[command(flatten)]
        act: Act,
    },
    /// The second signature, from another unit: whoever's verdict hangs on the name is judged again
    #[command(after_help = "Example:\n  mifeng place confirm 019c60")]
    Confirm {
        #[arg(value_parser = typed::name("decisions"))]
        decision: String,
        #[command(flatten)]
        act: Act,
    },
    /// Makes the name a question again, at once
    #[command(after_help = "Example:\n  mifeng place take-back 019c60 --reason '移动公司更正：指青海海南州'")]
    TakeBack {
        #[arg(value_parser = typed::name("decisions"))]
        decision: String,
        /// Why
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        act: Act,
    },
    /// What was decided, the latest first; or all that names meant at the sequence that a verdict names
    #[command(
        after_help = "Examples:\n  mifeng place decisions --state in-force\n  mifeng place decisions --sequence 12"
    )]
    Decisions {
        /// Only of this source
        #[arg(long, value_parser = typed::word(Words::as_str_name))]
        words: Option<Words>,
        /// Only in this state
        #[arg(long, value_parser = typed::word(State::as_str_name))]
        state: Option<State>,
        /// What counted at this sequence of the vocabulary; 0: what counts now
        #[arg(long, value_name = "NUMBER", conflicts_with_all = ["words", "state"])]
        sequence: Option<i64>,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
}

const COLUMNS: [&str; 8] = ["name", "words", "spelling", "codes", "no_place", "state", "from_sequence", "to_sequence"];

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Decide { words, name, codes, no_place, act } => {
                let decided = act.send(async |connection, request_id| {
                    let request =
                        DecideNameRequest { request_id, words: words.into(), spelling: name, codes, no_place };
                    VocabularyServiceClient::new(connection).decide_name(request).await
                });
                act.show(&decided.await?)
            }
            Self::Confirm { decision, act } => {
                let confirmed = act.send(async |connection, request_id| {
                    let request = ConfirmNameRequest { request_id, name: decision };
                    VocabularyServiceClient::new(connection).confirm_name(request).await
                });
                act.show(&confirmed.await?)
            }
            Self::TakeBack { decision, reason, act } => {
                let taken = act.send(async |connection, request_id| {
                    let request = TakeBackNameRequest { request_id, name: decision, reason };
                    VocabularyServiceClient::new(connection).take_back_name(request).await
                });
                act.show(&taken.await?)
            }
            Self::Decisions { sequence: Some(sequence), listing, ask, .. } => {
                vocabulary(sequence, &listing, &ask).await
            }
            Self::Decisions { words, state, sequence: None, listing, ask } => {
                let (words, state) = (words.unwrap_or_default().into(), state.unwrap_or_default().into());
                let mut client = VocabularyServiceClient::new(ask.connection()?);
                let all = listing.collect(async |page_size, page_token| {
                    let request = ListNameDecisionsRequest { words, state, page_size, page_token };
                    let page = client.list_name_decisions(request).await?.into_inner();
                    Ok((page.decisions, page.next_page_token))
                });
                listing.show(&ask, &all.await?, &COLUMNS)
            }
        }
    }
}

async fn vocabulary(sequence: i64, listing: &Listing, ask: &Ask) -> anyhow::Result<()> {
    let mut client = VocabularyServiceClient::new(ask.connection()?);
    let vocabulary = client.get_vocabulary(GetVocabularyRequest { sequence }).await?.into_inner();
    if ask.output.is_json() && !listing.exports() {
        return ask.show(&vocabulary);
    }
    listing.show(ask, &vocabulary.decisions, &COLUMNS)?;
    let (judged, changed) = (vocabulary.judged, vocabulary.changed);
    let done = if vocabulary.done { "" } else { " so far" };
    print(&format!("vocabulary {}: {judged} cases judged again{done}, {changed} changed", vocabulary.sequence))
}
