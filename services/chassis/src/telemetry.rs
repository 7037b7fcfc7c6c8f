//! Traces, metrics and log lines. Log lines go to stderr; metrics are always there to be scraped; both traces and metrics go
//! to a collector where one is configured. Traces are made in any case, since their ids lead from a log line to a record and
//! from a record to what other services did about it. Nothing personal may enter any of them.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use opentelemetry::{
    Context,
    metrics::{Meter, MeterProvider as _},
    propagation::{Extractor, TextMapPropagator as _},
    trace::TracerProvider as _,
};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::{
    Resource, metrics::SdkMeterProvider, propagation::TraceContextPropagator, trace::SdkTracerProvider,
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// What is told, how, and to whom.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Telemetry")]
pub struct Config {
    /// Which log lines are written: a level, or levels by module such as "info,chassis=debug"
    #[arg(long, env = "MIFENG_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
    /// How log lines are written
    #[arg(long, env = "MIFENG_LOG_FORMAT", value_enum, default_value_t = Format::Text)]
    pub log_format: Format,
    /// An OpenTelemetry collector (gRPC) that takes traces and metrics, such as http://localhost:4317
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Lines for people
    Text,
    /// One JSON object per line
    Json,
}

/// Sends out what is not sent yet when it is dropped: keep it until the end of `main`.
#[must_use = "the last traces and metrics are sent when the guard is dropped"]
#[derive(Clone, Debug)]
pub struct Guard {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
}

/// Starts telemetry for the process, before anything is counted. Needs a tokio runtime where a collector is configured. A
/// process that starts its services again, as tests do, keeps the telemetry that it has.
pub fn start(config: &Config, service: &str) -> anyhow::Result<Guard> {
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(guard) = &*started {
        return Ok(guard.clone());
    }
    let resource = Resource::builder().with_service_name(service.to_owned()).build();
    let collector = config.otlp_endpoint.as_deref().filter(|endpoint| !endpoint.is_empty());
    let traces = traces(resource.clone(), collector)?;
    // The registry takes one exporter: what was counted before the start stays where it is and is only scraped.
    if METERS.get().is_none() {
        let metrics = meters(resource, collector)?;
        METERS.get_or_init(|| metrics);
    }
    let metrics = METERS.get().expect("the cell is full by now").clone();
    opentelemetry::global::set_tracer_provider(traces.clone());
    opentelemetry::global::set_meter_provider(metrics.clone());
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    subscribe(config, &traces, collector.is_some())?;
    Ok(started.insert(Guard { traces, metrics }).clone())
}

impl Drop for Guard {
    /// Flushed, not shut down: another part of the process may still be counting.
    fn drop(&mut self) {
        for outcome in [self.traces.force_flush(), self.metrics.force_flush()] {
            if let Err(error) = outcome {
                tracing::warn!(error = format!("{error:#}"), "the last traces or metrics were not sent");
            }
        }
    }
}

/// Makes instruments whose readings appear under `/metrics` and go to the collector.
pub fn meter() -> Meter {
    METERS
        .get_or_init(|| {
            meters(Resource::builder().build(), None).expect("the registry is new and takes its one exporter")
        })
        .meter("mifeng")
}

/// All metrics in Prometheus' text format.
pub fn exposition() -> anyhow::Result<String> {
    prometheus::TextEncoder::new().encode_to_string(&REGISTRY.gather()).context("writing the metrics down")
}

/// The trace that is going on, as it goes into records and headers (W3C); empty where none is.
pub fn traceparent_of_current() -> String {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut carrier);
    carrier.remove(TRACEPARENT).unwrap_or_default()
}

/// Makes a span part of the trace that a record or a header speaks of. An empty or garbled one starts a trace of its own.
pub fn continue_trace(span: &Span, traceparent: &str) {
    if traceparent.is_empty() {
        return;
    }
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    let parent: Context = TraceContextPropagator::new().extract(&carrier as &dyn Extractor);
    // Fails where no traces are made at all: nothing is lost then.
    let _unlinked = span.set_parent(parent);
}

/// Header and metadata key (W3C Trace Context).
pub const TRACEPARENT: &str = "traceparent";

/// The process has one, whatever runs in it: `/metrics` shows all.
static REGISTRY: LazyLock<prometheus::Registry> = LazyLock::new(prometheus::Registry::new);
static METERS: OnceLock<SdkMeterProvider> = OnceLock::new();
static STARTED: Mutex<Option<Guard>> = Mutex::new(None);

/// A collector that is away must not hold up the end of the process for longer.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

fn traces(resource: Resource, collector: Option<&str>) -> anyhow::Result<SdkTracerProvider> {
    let mut provider = SdkTracerProvider::builder().with_resource(resource);
    if let Some(endpoint) = collector {
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .with_context(|| format!("sending traces to {endpoint}"))?;
        provider = provider.with_batch_exporter(exporter);
    }
    Ok(provider.build())
}

fn meters(resource: Resource, collector: Option<&str>) -> anyhow::Result<SdkMeterProvider> {
    let scraped = opentelemetry_prometheus::exporter()
        .with_registry(REGISTRY.clone())
        .scope_info_enabled(false)
        .build()
        .context("making metrics ready to be scraped")?;
    let mut provider = SdkMeterProvider::builder().with_resource(resource).with_reader(scraped);
    if let Some(endpoint) = collector {
        let exporter = opentelemetry_otlp::MetricExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .with_context(|| format!("sending metrics to {endpoint}"))?;
        provider = provider.with_periodic_exporter(exporter);
    }
    Ok(provider.build())
}

/// What the transport says at these levels is about itself; a later directive of the user's wins.
const QUIET: &str = "h2=warn,hyper_util=warn,opentelemetry=warn,opentelemetry_sdk=warn";

/// Who collects traces wants to see each record arrive at the others: that is more than log lines should tell.
const COLLECTED: &str = "info,chassis=debug";

fn subscribe(config: &Config, traces: &SdkTracerProvider, collected: bool) -> anyhow::Result<()> {
    let filter = |directives: &str| {
        let filter = EnvFilter::try_new(format!("{QUIET},{directives}"));
        filter.with_context(|| format!("reading the log filter {directives:?}"))
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    let lines = match config.log_format {
        Format::Text => lines.compact().with_target(false).boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    let spans = tracing_opentelemetry::layer().with_tracer(traces.tracer("mifeng"));
    let spans_filter = filter(if collected { COLLECTED } else { &config.log })?;
    tracing_subscriber::registry()
        .with(lines.with_filter(filter(&config.log)?))
        .with(spans.with_filter(spans_filter))
        .try_init()
        .context("setting up log lines: something else does so already")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn with_traces(test: impl FnOnce()) {
        let traces = traces(Resource::builder_empty().build(), None).unwrap();
        let spans = tracing_opentelemetry::layer().with_tracer(traces.tracer("test"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(spans), test);
    }

    #[test]
    fn a_span_goes_on_with_the_trace_that_a_record_speaks_of() {
        with_traces(|| {
            let span = tracing::info_span!("applying");
            continue_trace(&span, PARENT);
            let current = span.in_scope(traceparent_of_current);
            assert_eq!(&current[..35], &PARENT[..35], "the same trace");
            assert_ne!(current, PARENT, "another span of it");
        });
    }

    #[test]
    fn a_garbled_trace_starts_one_of_its_own() {
        with_traces(|| {
            let span = tracing::info_span!("applying");
            continue_trace(&span, "nonsense");
            assert_eq!(span.in_scope(traceparent_of_current).len(), PARENT.len());
        });
    }

    #[test]
    fn without_traces_there_is_no_traceparent() {
        assert_eq!(traceparent_of_current(), "");
    }

    #[tokio::test]
    async fn a_process_that_starts_again_keeps_its_telemetry() {
        let config = Config { log: "warn".to_owned(), log_format: Format::Json, otlp_endpoint: None };
        drop(start(&config, "first").unwrap());
        let _guard = start(&config, "second").unwrap();
        meter().u64_counter("mifeng_started").build().add(1, &[]);
        assert!(exposition().unwrap().contains("mifeng_started_total 1"));
    }

    #[test]
    fn what_is_counted_can_be_scraped() {
        let counter = meter().u64_counter("mifeng_tested").build();
        counter.add(3, &[]);
        let text = exposition().unwrap();
        assert!(text.contains("mifeng_tested_total 3"), "{text}");
    }
}
