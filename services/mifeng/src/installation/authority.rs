//! The installation's own authority and the certificates that it gives to NATS and to the proxy.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use super::{LOCAL, SERVERS, Work, read, there};

/// The authority's certificate, in its own folder and as a copy wherever somebody must trust it.
pub(super) const CERTIFICATE: &str = "authority.pem";
const KEY: &str = "authority.key";
/// Until when the servers' certificates hold, and for which names beside the usual ones.
const ISSUED: &str = "issued";

const AUTHORITY_HOLDS: Months = Months::new(120);
const SERVERS_HOLD: Months = Months::new(24);
/// Renewed so long before their end: whoever restarts four times a year never sees one expire.
const RENEWED_BEFORE: Months = Months::new(3);

pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    folder: PathBuf,
}

impl Authority {
    pub(super) fn open_or_create(folder: &Path, now: DateTime<Utc>, work: &mut Work) -> anyhow::Result<Self> {
        // The authority's folder stays with whoever prepares: no service has to read it.
        let mut own = Work { owner: None, made: Vec::new() };
        let (key_file, certificate_file) = (folder.join(KEY), folder.join(CERTIFICATE));
        ensure!(
            there(&certificate_file)?.is_none() || there(&key_file)?.is_some(),
            "{} is gone: put its copy back, or remove {} for a new authority, which all clients have to be told",
            key_file.display(),
            certificate_file.display()
        );
        if there(&certificate_file)?.is_none() {
            // What another authority gave out holds no longer.
            remove(&folder.join(ISSUED))?;
        }
        own.once(&key_file, || Ok(KeyPair::generate()?.serialize_pem().into_bytes()))?;
        let key = KeyPair::from_pem(&read(&key_file)?)
            .with_context(|| format!("reading the key in {}", key_file.display()))?;
        let params = itself(now.date_naive())?;
        own.once(&certificate_file, || Ok(params.self_signed(&key)?.pem().into_bytes()))?;
        work.made.append(&mut own.made);
        let certificate =
            fs::read_to_string(&certificate_file).with_context(|| format!("reading {}", certificate_file.display()))?;
        Ok(Self { issuer: Issuer::new(params, key), certificate, folder: folder.to_owned() })
    }

    pub(super) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Gives each server a certificate where it has none, where its time is nearly over, or where a name is new.
    pub(super) fn certify(
        &self,
        installation: &Path,
        asked: &BTreeSet<String>,
        now: DateTime<Utc>,
        work: &mut Work,
    ) -> anyhow::Result<()> {
        let today = now.date_naive();
        let issued = self.folder.join(ISSUED);
        let before = there(&issued)?.map(|text| Issued::read(&String::from_utf8_lossy(&text)));
        let known = before.as_ref().map(|before| before.names.clone()).unwrap_or_default();
        let holds = before.is_some_and(|before| before.until > today + RENEWED_BEFORE) && asked.is_subset(&known);
        let next = Issued { until: today + SERVERS_HOLD, names: known.union(asked).cloned().collect() };
        for server in SERVERS {
            let (certificate, key) =
                (installation.join(server).join("server.pem"), installation.join(server).join("server.key"));
            if holds && there(&certificate)?.is_some() && there(&key)?.is_some() {
                work.hand_over(&certificate)?;
                work.hand_over(&key)?;
                continue;
            }
            // First away with the certificate: a key that is not its own must not stay beside it, whenever we are killed.
            remove(&certificate)?;
            let pair = KeyPair::generate()?;
            let made = server_params(server, &next, today)?.signed_by(&pair, &self.issuer)?;
            work.always(&key, pair.serialize_pem().as_bytes())?;
            work.always(&certificate, made.pem().as_bytes())?;
        }
        if !holds {
            // Last: a run that is killed before this line is done again from the start.
            let mut own = Work { owner: None, made: Vec::new() };
            own.always(&issued, next.to_string().as_bytes())?;
        }
        Ok(())
    }
}

struct Issued {
    until: NaiveDate,
    names: BTreeSet<String>,
}

impl Issued {
    /// The date on the first line, a name on each other one. What cannot be read holds no longer.
    fn read(text: &str) -> Self {
        let mut lines = text.lines();
        let until = lines.next().and_then(|line| line.parse().ok()).unwrap_or(NaiveDate::MIN);
        Self { until, names: lines.map(str::to_owned).collect() }
    }
}

impl std::fmt::Display for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.until)?;
        self.names.iter().try_for_each(|name| writeln!(f, "{name}"))
    }
}

fn itself(today: NaiveDate) -> anyhow::Result<CertificateParams> {
    let mut params = holding(Vec::new(), "mifeng installation authority", today, AUTHORITY_HOLDS)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn server_params(server: &str, issued: &Issued, today: NaiveDate) -> anyhow::Result<CertificateParams> {
    let own = std::iter::once(server).chain(LOCAL).map(str::to_owned);
    let names: BTreeSet<String> = own.chain(issued.names.iter().cloned()).collect();
    let mut params = holding(names.into_iter().collect(), server, today, SERVERS_HOLD)?;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

/// From yesterday on, because clocks differ.
fn holding(
    names: Vec<String>,
    common_name: &str,
    today: NaiveDate,
    months: Months,
) -> anyhow::Result<CertificateParams> {
    let shown = names.join(", ");
    let mut params = CertificateParams::new(names).with_context(|| format!("one of {shown} is no host name"))?;
    let (from, until) = (today - Days::new(1), today + months);
    let month = |date: NaiveDate| u8::try_from(date.month()).expect("a year has twelve months");
    let day = |date: NaiveDate| u8::try_from(date.day()).expect("a month has at most 31 days");
    params.not_before = rcgen::date_time_ymd(from.year(), month(from), day(from));
    params.not_after = rcgen::date_time_ymd(until.year(), month(until), day(until));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "mifeng");
    params.distinguished_name.push(DnType::CommonName, common_name);
    Ok(params)
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}
