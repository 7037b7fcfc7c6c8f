use std::{
    io::{IsTerminal as _, Write as _},
    path::PathBuf,
};

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use proto::registry::v1::{
    CreateResidentRequest, EraseResidentRequest, FindResidentsRequest, GetResidentRequest, IdentityDocument,
    ListResidentsRequest, ListRevealsRequest, MoveOutResidentRequest, Person, RevealResidentRequest,
    find_residents_request::Key as SoughtBy, identity_document::Kind, registry_service_client::RegistryServiceClient,
};

use super::{
    correction::{Correct, Corrections},
    duplicate::{Duplicates, Merge, Unmerge},
};
use crate::{
    desk::{
        ask::{Act, Ask, Listing},
        typed,
    },
    output::{json, print},
};

const COLUMNS: [&str; 10] = [
    "name",
    "building",
    "unit",
    "room",
    "masked_name",
    "masked_phones",
    "masked_document",
    "moved_out",
    "erased",
    "merged_into",
];

#[derive(Subcommand)]
pub enum Command {
    /// Registers somebody in a household
    #[command(after_help = "Example:\n  mifeng resident create --household 019c30 --name 张小花 --phone 13800001234 \
                            --kind id-card --document 330212198001011234\n  mifeng resident create --household \
                            019c30 person.json")]
    Create(Box<Create>),
    /// One resident, masked
    #[command(after_help = "Example:\n  mifeng resident show 019c31")]
    Show {
        #[arg(value_parser = typed::name("residents"))]
        resident: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Residents, masked
    #[command(after_help = "Example:\n  mifeng resident list --household 019c30")]
    List {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
    /// Who has this number, this name or this room; masked
    #[command(
        after_help = "Example:\n  mifeng resident find --phone 13800001234\n  mifeng resident find --name zhangxh\n  \
                            mifeng resident find --room 3-2-501 --compound 019c2f"
    )]
    Find(Find),
    /// Names and numbers in full; that you looked, and why, is put on record
    #[command(after_help = "Example:\n  mifeng resident reveal 019c31 --reason '送药上门，需要电话'")]
    Reveal {
        #[arg(value_parser = typed::name("residents"))]
        resident: String,
        /// Why they are needed, in four characters or more
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        act: Act,
    },
    /// Who looked at this person's data in full, when and why
    #[command(after_help = "Example:\n  mifeng resident who-looked 019c31")]
    WhoLooked {
        #[arg(value_parser = typed::name("residents"))]
        resident: String,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
    /// Puts right what is known of somebody: what is not given stays as it is
    #[command(
        after_help = "Examples:\n  mifeng resident correct 019c31 --phone 13800001234 --phone 13900005678 --reason \
                            '本人到窗口补登第二个号码'\n  mifeng resident correct 019c31 --returned-from 武汉 --returned-on \
                            2020-01-22 --transport 高铁 --number G1234 --reason '车票核对'"
    )]
    Correct(Box<Correct>),
    /// Who put right what of this person, when and why
    #[command(after_help = "Example:\n  mifeng resident corrections 019c31")]
    Corrections(Corrections),
    /// Ends the residence, and with it the pass
    #[command(after_help = "Example:\n  mifeng resident move-out 019c31")]
    MoveOut {
        #[arg(value_parser = typed::name("residents"))]
        resident: String,
        /// Refuse where the resident has changed since this etag was read
        #[arg(long, default_value = "")]
        etag: String,
        #[command(flatten)]
        act: Act,
    },
    /// Pairs who may be one person, the likeliest first; masked
    #[command(after_help = "Example:\n  mifeng resident duplicates --compound 019c2f")]
    Duplicates(Duplicates),
    /// One record ends and another one of the same person goes on; can be undone
    #[command(after_help = "Example:\n  mifeng resident merge 019c31 --into 019c32 --reason '证件核对，同一人'")]
    Merge(Box<Merge>),
    /// Two records were two people after all
    #[command(after_help = "Example:\n  mifeng resident unmerge 019c31 --reason '核对后是两个人'")]
    Unmerge(Box<Unmerge>),
    /// Destroys the keys of a person's data in every service: nobody can read them again
    #[command(after_help = "Example:\n  mifeng resident erase 019c31 --yes")]
    Erase {
        #[arg(value_parser = typed::name("residents"))]
        resident: String,
        /// Does not ask again
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        act: Act,
    },
}

#[derive(Args)]
pub struct Create {
    /// A JSON file of registry.v1.Person, or - for the standard input: what is typed here stays in the shell's history
    #[arg(value_name = "FILE.json", conflicts_with_all = ["name", "phone", "kind", "document"], required_unless_present = "name")]
    file: Option<PathBuf>,
    #[arg(long, value_parser = typed::name("households"))]
    household: String,
    /// The full name
    #[arg(long)]
    name: Option<String>,
    /// As often as the person has numbers
    #[arg(long)]
    phone: Vec<String>,
    /// The kind of the identity document
    #[arg(long, value_parser = typed::word(Kind::as_str_name), default_value = "id-card")]
    kind: Kind,
    /// Its number
    #[arg(long, default_value = "", hide_default_value = true)]
    document: String,
    #[command(flatten)]
    act: Act,
}

#[derive(Args)]
#[group(multiple = false)]
pub struct Place {
    /// Of this household
    #[arg(long, value_parser = typed::name("households"))]
    household: Option<String>,
    /// Of this compound
    #[arg(long, value_parser = typed::name("compounds"))]
    compound: Option<String>,
}

#[derive(Args)]
pub struct Find {
    #[command(flatten)]
    key: Key,
    /// Only in this neighbourhood; a name is looked for in one
    #[arg(long, value_parser = typed::name("neighbourhoods"), conflicts_with = "compound")]
    neighbourhood: Option<String>,
    /// Only in this compound
    #[arg(long, value_parser = typed::name("compounds"))]
    compound: Option<String>,
    #[command(flatten)]
    listing: Listing,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Key {
    /// A mobile number
    #[arg(long)]
    phone: Option<String>,
    /// The number of an identity document
    #[arg(long, value_name = "NUMBER")]
    document: Option<String>,
    /// A part of the name, or its pinyin: whole, first letters, or mixed
    #[arg(long)]
    name: Option<String>,
    /// A door, as 3幢2单元501室, 3-2-501 or 501
    #[arg(long)]
    room: Option<String>,
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run().await,
            Self::Show { resident, ask } => {
                let mut client = RegistryServiceClient::new(ask.connection()?);
                ask.show(&client.get_resident(GetResidentRequest { name: resident }).await?.into_inner())
            }
            Self::List { place, listing, ask } => list(place, &listing, &ask).await,
            Self::Find(find) => find.run().await,
            Self::Reveal { resident, reason, act } => {
                let revealed = act.send(async |connection, request_id| {
                    let request = RevealResidentRequest { request_id, name: resident, reason };
                    RegistryServiceClient::new(connection).reveal_resident(request).await
                });
                let revealed = revealed.await?;
                let person = revealed.person.context("the answer holds no person")?;
                let Some(returned) = revealed.returned else { return act.show(&person) };
                if act.ask.output.is_json() {
                    let mut whole = json(&person)?;
                    whole["returned"] = json(&returned)?;
                    return print(&serde_json::to_string_pretty(&whole)?);
                }
                act.show(&person)?;
                act.show(&returned)
            }
            Self::WhoLooked { resident, listing, ask } => {
                let mut client = RegistryServiceClient::new(ask.connection()?);
                let all = listing.collect(async |page_size, page_token| {
                    let request = ListRevealsRequest { parent: resident.clone(), page_size, page_token };
                    let page = client.list_reveals(request).await?.into_inner();
                    Ok((page.reveals, page.next_page_token))
                });
                listing.show(&ask, &all.await?, &["time", "actor", "reason"])
            }
            Self::MoveOut { resident, etag, act } => {
                let gone = act.send(async |connection, request_id| {
                    let request = MoveOutResidentRequest { request_id, name: resident, etag };
                    RegistryServiceClient::new(connection).move_out_resident(request).await
                });
                act.show(&gone.await?)
            }
            Self::Correct(correct) => correct.run().await,
            Self::Corrections(corrections) => corrections.run().await,
            Self::Duplicates(duplicates) => duplicates.run().await,
            Self::Merge(merge) => merge.run().await,
            Self::Unmerge(unmerge) => unmerge.run().await,
            Self::Erase { resident, yes, act } => erase(resident, yes, &act).await,
        }
    }
}

impl Create {
    async fn run(self) -> anyhow::Result<()> {
        let person = match self.file {
            Some(file) => typed::read_message(&file)?,
            None => Person {
                full_name: self.name.unwrap_or_default(),
                phones: self.phone,
                document: Some(IdentityDocument { kind: self.kind.into(), number: self.document }),
            },
        };
        let registered = self.act.send(async |connection, request_id| {
            let request = CreateResidentRequest { request_id, household: self.household, person: Some(person) };
            RegistryServiceClient::new(connection).create_resident(request).await
        });
        self.act.show(&registered.await?)
    }
}

impl Find {
    async fn run(self) -> anyhow::Result<()> {
        let Key { phone, document, name, room } = self.key;
        let key = phone.map(SoughtBy::Phone).or(document.map(SoughtBy::DocumentNumber));
        let key = key.or(name.map(SoughtBy::Name)).or(room.map(SoughtBy::Room));
        let parent = self.neighbourhood.or(self.compound).unwrap_or_default();
        let mut client = RegistryServiceClient::new(self.ask.connection()?);
        let all = self.listing.collect(async |page_size, page_token| {
            let request = FindResidentsRequest { key: key.clone(), parent: parent.clone(), page_size, page_token };
            let page = client.find_residents(request).await?.into_inner();
            Ok((page.residents, page.next_page_token))
        });
        self.listing.show(&self.ask, &all.await?, &COLUMNS)
    }
}

async fn list(place: Place, listing: &Listing, ask: &Ask) -> anyhow::Result<()> {
    let parent = place.household.or(place.compound).unwrap_or_default();
    let mut client = RegistryServiceClient::new(ask.connection()?);
    let all = listing.collect(async |page_size, page_token| {
        let request = ListResidentsRequest { parent: parent.clone(), page_size, page_token };
        let page = client.list_residents(request).await?.into_inner();
        Ok((page.residents, page.next_page_token))
    });
    listing.show(ask, &all.await?, &COLUMNS)
}

async fn erase(resident: String, yes: bool, act: &Act) -> anyhow::Result<()> {
    if !yes {
        let mut client = RegistryServiceClient::new(act.ask.connection()?);
        let shown = client.get_resident(GetResidentRequest { name: resident.clone() }).await?.into_inner();
        confirm(&format!("Erase {} ({})? This cannot be undone. Type yes: ", shown.name, shown.masked_name))?;
    }
    let erased = act.send(async |connection, request_id| {
        let request = EraseResidentRequest { request_id, name: resident };
        RegistryServiceClient::new(connection).erase_resident(request).await
    });
    act.show(&erased.await?)?;
    if act.ask.output.is_json() { Ok(()) } else { print("erased; copies in other services follow within seconds") }
}

/// Asks whoever sits at the terminal; nobody there means no.
fn confirm(question: &str) -> anyhow::Result<()> {
    ensure!(std::io::stdin().is_terminal(), "nobody is at the terminal to confirm this: say --yes");
    let mut err = std::io::stderr();
    write!(err, "{question}").and_then(|()| err.flush()).context("asking for confirmation")?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).context("reading the confirmation")?;
    ensure!(answer.trim() == "yes", "nothing was done");
    Ok(())
}
