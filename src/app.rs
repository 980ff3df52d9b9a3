//! The composition root: a configuration in, a running router out. Only this file names the concrete
//! types of every room.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use poem::endpoint::BoxEndpoint;
use poem::http::HeaderName;
use poem::{EndpointExt, Response, Route};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::{self, Access, Front, HistoryMetrics, Shared};
use crate::cache::{Answers, Cache, Redis};
use crate::catalog::{ByTier, Catalog};
use crate::config::{self, ClassifierKind, Loaded, Upstreams};
use crate::dashboard;
use crate::gateway::{
    ClassifierCall, Estimator, Gateway, Listeners, Offers, Sessions, SingleFlight, keep_shares, keep_warm, marks_of,
    policy_hash,
};
use crate::protocol::Timestamp;
use crate::providers::{Client, ClientError, Pictures, Target, TurnStore};
use crate::routing::{
    self, Classifier, Embedded, LlmClassifier, LlmSettings, Model, Policy, Rules, Templates, Thresholds,
};
use crate::server::serve;
use crate::store::{OpenError, Store};
use crate::telemetry::Metrics;

/// How long requests under way may go on after the signal to stop.
pub const DRAIN: Duration = Duration::from_secs(10);

/// A router that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The history cannot be used.
    #[error(transparent)]
    History(#[from] OpenError),
    /// An upstream cannot be prepared.
    #[error("{0}")]
    Upstream(String),
    /// The model of `classifier.embedded_file` cannot be used.
    #[error("cannot use `{file}` of classifier.embedded_file: {source}; `xrouter train --out FILE` writes such a file")]
    Model {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// TLS cannot be set up.
    #[error("cannot set up connections: {0}")]
    Client(#[from] ClientError),
    /// The address is taken or not ours.
    #[error(
        "cannot listen on {address}: {source}; set server.port (or PORT) to another one, or end the program that uses it"
    )]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: std::io::Error,
    },
}

/// A router that listens but does not serve yet.
pub struct App {
    /// The history.
    pub store: Store,
    /// Where it listens.
    pub address: SocketAddr,
    listener: TcpListener,
    endpoint: BoxEndpoint<'static, Response>,
    gateway: Arc<Gateway>,
    config: config::Classifier,
    /// Rows that are being completed before they go to the history.
    pub estimator: Estimator,
}

impl App {
    /// Opens everything that the configuration names, the port last.
    ///
    /// # Errors
    /// The history, an upstream's key or the port cannot be used.
    pub async fn open(loaded: &Loaded) -> Result<Self, AppError> {
        let Loaded { config, upstreams, database, .. } = loaded;
        let catalog = Arc::new(Catalog::embedded());
        let pools = upstreams.called().map(|upstream| (upstream.timeouts.connect, upstream.endpoint.is_local()));
        let client = Client::new(pools.chain(upstreams.classifier.as_ref().map(ClassifierCall::pool)))?;
        let classifier = Arc::new(classifier_with(config, upstreams, &client)?);
        let store = Store::open(database, &config.store).await?;
        let estimator = Estimator::default();
        let redis = Redis::open(&config.cache);
        let policy = policy(config)?;
        let policy_marks = marks_of(&classifier, &policy, config.classifier.strategy, config.classifier.max_chars);
        let policy_mark = policy_hash(&policy_marks);
        store.remember_policy(policy_mark, &policy_marks).await?;
        let configured =
            upstreams.called().flat_map(|upstream| [Some(upstream.name.as_str()), upstream.model.as_deref()]);
        let metrics = Metrics::new(configured.flatten(), vec![Box::new(HistoryMetrics(store.clone()))]);
        let listeners = Listeners {
            sessions: Sessions::new(&config.session, redis.clone()),
            metrics,
            estimator: estimator.clone(),
            store: store.clone(),
        };
        let gateway = Arc::new(Gateway {
            tiers: targets(upstreams, &catalog)?,
            embeddings: upstreams.embeddings.as_ref().map(|upstream| target(upstream, &catalog)).transpose()?,
            fallback: upstreams.fallback,
            policy,
            policy_marks,
            policy_mark,
            fingerprint: format!("{} {:?}", classifier.fingerprint(), config.classifier.strategy),
            classifier: classifier.clone(),
            strategy: config.classifier.strategy,
            max_chars: config.classifier.max_chars,
            captures: config.store.capture,
            templates: config.classifier.learn_templates.then(Templates::default),
            cache: Cache::open(&config.cache, redis.filter(|_| config.classifier.asks_a_model())),
            answers: Answers::open(&config.response_cache),
            single_flight: SingleFlight::default(),
            listeners: Arc::new(listeners),
            client,
            catalog,
            turns: TurnStore::default(),
            pictures: Pictures::new()?,
            offers: Offers::default(),
        });
        let access = Access::new(&config.server);
        let header = |name: &str| {
            HeaderName::try_from(name).map_err(|_| AppError::Upstream(format!("`{name}` is no header name")))
        };
        let shared = Arc::new(Shared {
            gateway: gateway.clone(),
            store: store.clone(),
            body_limit: usize::try_from(config.server.body_limit).unwrap_or(usize::MAX),
            decision_header: header(&config.headers.decision)?,
            upstream_header: header(&config.headers.upstream)?,
            loopback_only: access.is_open() && config.server.is_loopback(),
            started_at: Timestamp::now().0 / 1000,
        });
        let endpoint = routes(shared, &access);
        let host = config.server.bind_host();
        let (listener, address) = listen(host, config.server.port).await?;
        Ok(App { store, address, listener, endpoint, gateway, config: config.classifier.clone(), estimator })
    }

    /// Serves until `stop`, lets requests under way go on for at most `drain`, cuts off what is left,
    /// and writes everything into the history.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn serve(self, stop: CancellationToken, drain: Duration) -> std::io::Result<()> {
        let tasks = TaskTracker::new();
        if let Some(share) = self.config.target_share {
            tasks.spawn(keep_shares(self.gateway.clone(), share, stop.clone()));
        }
        tasks.spawn(keep_warm(self.gateway.classifier.clone(), self.config, stop.clone()));
        tasks.close();
        let served = serve(self.listener, self.endpoint, stop.clone(), drain).await;
        stop.cancel();
        tasks.wait().await;
        self.estimator.idle().await;
        self.store.close().await;
        served
    }
}

/// The configured classifier alone.
///
/// # Errors
/// Its endpoint cannot be prepared.
pub fn classifier(loaded: &Loaded) -> Result<Classifier, AppError> {
    let client = Client::new(loaded.upstreams.classifier.as_ref().map(ClassifierCall::pool))?;
    classifier_with(&loaded.config, &loaded.upstreams, &client)
}

/// What decides with what the classifier says, as configured.
///
/// # Errors
/// A rule's regular expression is none, which the configuration's check says before.
pub fn policy(config: &config::Config) -> Result<Policy, AppError> {
    let rules = Rules::new(&config.classifier.rules, &config.classifier.rules_off);
    Ok(Policy {
        is_off: config.classifier.effective_kind() == ClassifierKind::Off,
        rules: rules.map_err(|error| AppError::Upstream(format!("classifier.rules: {error}")))?,
        keeps_sessions: config.session.enabled,
        session: Sessions::rule(&config.session),
    })
}

fn routes(shared: Arc<Shared>, access: &Access) -> BoxEndpoint<'static, Response> {
    let store = shared.store.clone();
    let service = api::service(shared.clone());
    let document = service.spec_endpoint();
    let browser = service.swagger_ui();
    let routes = Route::new().nest("/", service).at("/openapi.json", document).nest("/docs", browser);
    Front::new(dashboard::mount(routes, store, access.clone()), shared, access.clone()).boxed()
}

async fn listen(host: &str, port: u16) -> Result<(TcpListener, SocketAddr), AppError> {
    let failed = |source| AppError::Listen {
        address: if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") },
        source,
    };
    let listener = TcpListener::bind((host, port)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// The upstreams by tier, prepared for calls.
///
/// # Errors
/// A key cannot stand in a header, or an address is no URL.
pub fn targets(upstreams: &Upstreams, catalog: &Catalog) -> Result<ByTier<Vec<Arc<Target>>>, AppError> {
    let mut tiers = ByTier::<Vec<Arc<Target>>>::default();
    for upstream in upstreams.all() {
        tiers[upstream.tier].push(target(upstream, catalog)?);
    }
    Ok(tiers)
}

fn target(upstream: &config::Upstream, catalog: &Catalog) -> Result<Arc<Target>, AppError> {
    Target::new(upstream.clone(), catalog).map(Arc::new).map_err(AppError::Upstream)
}

/// The embedded classifier's model: that of `classifier.embedded_file`, or else the one that is compiled in.
///
/// # Errors
/// The file cannot be read, or is no model.
pub fn model(config: &config::Classifier) -> Result<Arc<Model>, AppError> {
    let Some(file) = &config.embedded_file else { return Ok(Model::shipped()) };
    let read = || Model::read(&std::fs::read(file)?).map_err(std::io::Error::other);
    read().map(Arc::new).map_err(|source| AppError::Model { file: file.to_owned(), source })
}

fn classifier_with(config: &config::Config, upstreams: &Upstreams, client: &Client) -> Result<Classifier, AppError> {
    routing::prepare();
    let thresholds = Thresholds::configured(config);
    let config = &config.classifier;
    let embedded = Embedded::with(model(config)?, thresholds);
    let llm = || -> Result<LlmClassifier, AppError> {
        let endpoint = upstreams.classifier.as_ref();
        let endpoint = endpoint.ok_or_else(|| AppError::Upstream("the classifier has no endpoint".to_owned()))?;
        let call = ClassifierCall::new(endpoint, client.clone()).map_err(AppError::Upstream)?;
        let settings = LlmSettings {
            model: endpoint.model.clone(),
            system_prompt: config.system_prompt.clone(),
            max_tokens: config.max_tokens,
            temperature: config.temperature,
            logit_bias: config.logit_bias.clone(),
            stream: config.force_stream,
            timeout: Duration::from_millis(config.timeout_ms),
            loading_retry: Duration::from_millis(config.loading_retry_ms),
            loading_max_retries: config.loading_max_retries,
        };
        Ok(LlmClassifier::new(settings, Box::new(call)))
    };
    Ok(match config.effective_kind() {
        ClassifierKind::Off => Classifier::Off,
        ClassifierKind::Embedded => Classifier::Embedded(embedded),
        ClassifierKind::Llm => Classifier::Llm(llm()?),
        ClassifierKind::Cascade => Classifier::Cascade { embedded, llm: llm()?, unsure_below: config.unsure_below },
    })
}
