use clap::Args;
use proto::pass::v1::{
    Access, IssuePassRequest, Pass, PassKind, RenewPassRequest, ReplacePassRequest,
    pass_service_client::PassServiceClient,
};

use crate::{
    desk::{ask::Act, typed},
    output::print,
};

/// To whom a pass is given, and how it is shown.
#[derive(Args)]
pub struct Giving {
    #[arg(value_parser = typed::name("residents"))]
    resident: String,
    /// For the guard's eye; at most two characters are kept in the code
    #[arg(long, default_value = "", hide_default_value = true)]
    surname: String,
    /// On paper, or on the holder's phone with a code that changes every half minute
    #[arg(long, default_value = "paper", value_parser = typed::word(PassKind::as_str_name))]
    kind: PassKind,
    /// When it is good for going out: at any time, within the method's hours of the day, or as often as it allows the household;
    /// by default as the pass before
    #[arg(long, value_parser = typed::word(Access::as_str_name))]
    access: Option<Access>,
    /// Only the text of the code, for a printer of QR codes
    #[arg(long)]
    code: bool,
    #[command(flatten)]
    act: Act,
}

impl Giving {
    pub(super) async fn issue(self) -> anyhow::Result<()> {
        let Self { resident, surname, kind, access, .. } = &self;
        let (resident, surname, kind) = (resident.clone(), surname.clone(), i32::from(*kind));
        let access = access.unwrap_or_default().into();
        let issued = self.act.send(async |connection, request_id| {
            let request = IssuePassRequest { request_id, resident, surname, kind, access };
            PassServiceClient::new(connection).issue_pass(request).await
        });
        self.show(&issued.await?)
    }

    pub(super) async fn renew(self) -> anyhow::Result<()> {
        let Self { resident, surname, kind, access, .. } = &self;
        let (resident, surname, kind) = (resident.clone(), surname.clone(), i32::from(*kind));
        let access = access.unwrap_or_default().into();
        let renewed = self.act.send(async |connection, request_id| {
            let request = RenewPassRequest { request_id, resident, surname, kind, access };
            PassServiceClient::new(connection).renew_pass(request).await
        });
        self.show(&renewed.await?)
    }

    pub(super) async fn replace(self) -> anyhow::Result<()> {
        let Self { resident, surname, kind, access, .. } = &self;
        let (resident, surname, kind) = (resident.clone(), surname.clone(), i32::from(*kind));
        let access = access.unwrap_or_default().into();
        let replaced = self.act.send(async |connection, request_id| {
            let request = ReplacePassRequest { request_id, resident, surname, kind, access };
            PassServiceClient::new(connection).replace_pass(request).await
        });
        self.show(&replaced.await?)
    }

    fn show(&self, pass: &Pass) -> anyhow::Result<()> {
        if self.code { print(&pass.code) } else { self.act.show(pass) }
    }
}
