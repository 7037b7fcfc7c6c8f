use clap::{Args, Subcommand};
use proto::pass::v1::{
    ListConflictsRequest, ListDevicesRequest, OpenEnrolmentRequest, RetireDeviceRequest,
    gate_service_client::GateServiceClient,
};

use crate::{
    desk::{
        ask::{Act, Ask, Listing},
        typed,
    },
    output::{local_time, print},
};

#[derive(Subcommand)]
pub enum Command {
    /// Opens an enrolment: shows a code, once, with which one gate PC is enrolled within 15 minutes
    #[command(
        after_help = "Examples:\n  mifeng gate open 019c2f/1 --label 北门一号机\n  mifeng gate open 019c2f/1 --again 019c33"
    )]
    Open(Open),
    /// The devices at the gates, and when each was last heard of
    #[command(after_help = "Example:\n  mifeng gate devices --compound 019c2f")]
    Devices {
        /// Only of this compound
        #[arg(long, value_parser = typed::name("compounds"))]
        compound: Option<String>,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
    /// A device that was lost or broke: from now on nothing counts that it sends
    #[command(after_help = "Example:\n  mifeng gate retire 019c33")]
    Retire {
        #[arg(value_parser = typed::name("devices"))]
        device: String,
        #[command(flatten)]
        act: Act,
    },
    /// Where a gate off line decided otherwise than the centre would have, and what could not be filed
    #[command(
        after_help = "Examples:\n  mifeng gate conflicts --compound 019c2f\n  mifeng gate conflicts --gate 019c2f/1 -o json"
    )]
    Conflicts {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
}

#[derive(Args)]
pub struct Open {
    #[arg(value_parser = typed::gate)]
    gate: String,
    /// What people will call the device
    #[arg(long, default_value = "", hide_default_value = true)]
    label: String,
    /// A device that lost its token and keeps its folder
    #[arg(long, value_parser = typed::name("devices"), value_name = "DEVICE")]
    again: Option<String>,
    #[command(flatten)]
    act: Act,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct Place {
    /// All gates of a compound
    #[arg(long, value_parser = typed::name("compounds"))]
    compound: Option<String>,
    /// One gate
    #[arg(long, value_parser = typed::gate)]
    gate: Option<String>,
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Open(open) => open.run().await,
            Self::Devices { compound, listing, ask } => devices(compound.unwrap_or_default(), &listing, &ask).await,
            Self::Retire { device, act } => {
                let retired = act.send(async |connection, request_id| {
                    let request = RetireDeviceRequest { request_id, name: device };
                    GateServiceClient::new(connection).retire_device(request).await
                });
                act.show(&retired.await?)
            }
            Self::Conflicts { place, listing, ask } => {
                conflicts(place.compound.or(place.gate).unwrap_or_default(), &listing, &ask).await
            }
        }
    }
}

impl Open {
    async fn run(self) -> anyhow::Result<()> {
        let Self { gate, label, again, act } = self;
        let opened = act.send(async |connection, request_id| {
            let request = OpenEnrolmentRequest { request_id, gate, label, device: again.unwrap_or_default() };
            GateServiceClient::new(connection).open_enrolment(request).await
        });
        let opened = opened.await?;
        if act.ask.output.is_json() {
            return act.show(&opened);
        }
        let code: Vec<String> =
            opened.code.as_bytes().chunks(4).map(|part| String::from_utf8_lossy(part).into()).collect();
        print(&format!("{} for {}", code.join("-"), opened.device))?;
        print(&format!(
            "good once, until {}: at the gate PC `mifeng gate enrol {}`",
            local_time(opened.expire_time.as_ref()),
            opened.code
        ))
    }
}

async fn devices(parent: String, listing: &Listing, ask: &Ask) -> anyhow::Result<()> {
    let mut client = GateServiceClient::new(ask.connection()?);
    let all = listing.collect(async |page_size, page_token| {
        let request = ListDevicesRequest { parent: parent.clone(), page_size, page_token };
        let page = client.list_devices(request).await?.into_inner();
        Ok((page.devices, page.next_page_token))
    });
    listing.show(ask, &all.await?, &["name", "gate", "label", "state", "report_time", "crossings"])
}

async fn conflicts(parent: String, listing: &Listing, ask: &Ask) -> anyhow::Result<()> {
    let mut client = GateServiceClient::new(ask.connection()?);
    let all = listing.collect(async |page_size, page_token| {
        let request = ListConflictsRequest { parent: parent.clone(), page_size, page_token };
        let page = client.list_conflicts(request).await?.into_inner();
        Ok((page.conflicts, page.next_page_token))
    });
    let columns = ["cross_time", "gate", "direction", "kind", "judged_findings", "say_zh", "say_en", "resident"];
    listing.show(ask, &all.await?, &columns)
}
