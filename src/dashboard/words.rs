//! The pages' texts, in English and Chinese.

use std::borrow::Cow;

use poem::Request;

use crate::routing::in_chinese;
use crate::store::Row;

/// All texts of the pages.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) lang: &'static str,
    pub(super) other_lang: &'static str,
    pub(super) other_name: &'static str,
    pub(super) title: &'static str,
    pub(super) tagline: &'static str,
    pub(super) requests: &'static str,
    pub(super) tokens: &'static str,
    pub(super) cost: &'static str,
    pub(super) saved: &'static str,
    pub(super) saved_note: &'static str,
    pub(super) unpriced_note: &'static str,
    pub(super) by_tier: &'static str,
    pub(super) tier: &'static str,
    pub(super) input: &'static str,
    pub(super) cached: &'static str,
    pub(super) output: &'static str,
    pub(super) reasoning: &'static str,
    pub(super) errors: &'static str,
    pub(super) local: &'static str,
    pub(super) no_upstream: &'static str,
    pub(super) response_cache: &'static str,
    pub(super) history: &'static str,
    pub(super) per_bucket: [&'static str; 3],
    pub(super) newest: &'static str,
    pub(super) time: &'static str,
    pub(super) decision: &'static str,
    pub(super) source: &'static str,
    pub(super) model: &'static str,
    pub(super) status: &'static str,
    pub(super) duration: &'static str,
    pub(super) why: &'static str,
    pub(super) empty: &'static str,
    pub(super) unknown: &'static str,
    pub(super) cheap: &'static str,
    pub(super) medium: &'static str,
    pub(super) frontier: &'static str,
    pub(super) api_docs: &'static str,
    pub(super) csv: &'static str,
    pub(super) times_utc: &'static str,
    pub(super) sign_in: &'static str,
    pub(super) key: &'static str,
    pub(super) key_hint: &'static str,
    pub(super) wrong_key: &'static str,
    pub(super) broken: &'static str,
}

const ENGLISH: Words = Words {
    lang: "en",
    other_lang: "zh",
    other_name: "中文",
    title: "Overview",
    tagline: "inference router",
    requests: "Requests",
    tokens: "Tokens",
    cost: "Cost",
    saved: "Saved",
    saved_note: "against the same tokens on the frontier tier",
    unpriced_note: "requests without a known price are not counted",
    by_tier: "By tier",
    tier: "Tier",
    input: "Input",
    cached: "cached",
    output: "Output",
    reasoning: "reasoning",
    errors: "Errors",
    local: "of these local",
    no_upstream: "no upstream reached",
    response_cache: "response cache",
    history: "Requests over time",
    per_bucket: ["per hour", "per 6 hours", "per day"],
    newest: "Newest requests",
    time: "Time",
    decision: "Decided",
    source: "by",
    model: "Model",
    status: "Status",
    duration: "Took",
    why: "Why",
    empty: "Nothing yet. Send a request to /v1/chat/completions and it appears here.",
    unknown: "unknown",
    cheap: "cheap",
    medium: "medium",
    frontier: "frontier",
    api_docs: "API",
    csv: "CSV",
    times_utc: "All times are UTC.",
    sign_in: "Sign in",
    key: "Router key",
    key_hint: "The value of server.api_key (ROUTER_API_KEY).",
    wrong_key: "This is not the key.",
    broken: "The history cannot be read now. The router's log says why.",
};

const CHINESE: Words = Words {
    lang: "zh",
    other_lang: "en",
    other_name: "English",
    title: "总览",
    tagline: "推理路由器",
    requests: "请求",
    tokens: "Token",
    cost: "费用",
    saved: "节省",
    saved_note: "与全部使用前沿层相比",
    unpriced_note: "个请求价格未知，未计入",
    by_tier: "按层级",
    tier: "层级",
    input: "输入",
    cached: "缓存",
    output: "输出",
    reasoning: "推理",
    errors: "错误",
    local: "其中本地",
    no_upstream: "未到达上游",
    response_cache: "响应缓存",
    history: "请求走势",
    per_bucket: ["每小时", "每 6 小时", "每天"],
    newest: "最近的请求",
    time: "时间",
    decision: "判定",
    source: "依据",
    model: "模型",
    status: "状态",
    duration: "耗时",
    why: "原因",
    empty: "暂无数据。向 /v1/chat/completions 发送请求后会显示在这里。",
    unknown: "未知",
    cheap: "经济",
    medium: "中等",
    frontier: "前沿",
    api_docs: "接口",
    csv: "CSV",
    times_utc: "所有时间均为 UTC。",
    sign_in: "登录",
    key: "路由器密钥",
    key_hint: "即 server.api_key（ROUTER_API_KEY）的值。",
    wrong_key: "密钥不正确。",
    broken: "暂时无法读取历史记录，原因见路由器日志。",
};

impl Words {
    /// Why a request was decided as it was, in the page's language. It is kept in English; what has no Chinese words stays.
    pub(super) fn reason<'a>(&self, row: &'a Row) -> Cow<'a, str> {
        let reason = row.reason.as_deref().unwrap_or_default();
        if self.lang == "zh" { in_chinese(reason).into() } else { reason.into() }
    }
}

/// The texts for a request: `?lang=`, else the browser's first language that is known here.
pub(super) fn words(request: &Request) -> &'static Words {
    let query = request.uri().query().unwrap_or_default();
    let asked = query.split('&').find_map(|pair| pair.strip_prefix("lang="));
    let accepted = request.header("accept-language").unwrap_or_default();
    let first = accepted.split(',').map(str::trim).find(|tag| tag.starts_with("zh") || tag.starts_with("en"));
    match asked.or(first) {
        Some(tag) if tag.starts_with("zh") => &CHINESE,
        _ => &ENGLISH,
    }
}
