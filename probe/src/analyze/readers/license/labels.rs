//! The labels of slmgr.vbs and ospp.vbs, by language.

/// A label and what stands behind it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) language: &'static str,
    pub(super) field: Field,
    /// In small letters, without the colon.
    text: &'static str,
}

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// ospp's first line of a licence.
    SkuId,
    Name,
    Description,
    Key,
    Status,
    /// A code in hexadecimal.
    Code,
    Minutes,
    Cmid,
    RegisteredHost,
    FoundHost,
    DnsFoundNone,
    ActivationInterval,
    RenewalInterval,
    Count,
    Port,
    Total,
    Failed,
    /// Known, and of no use here.
    Other,
}

/// The label of a line, and its value.
pub(super) fn find(line: &str) -> Option<(&'static Label, &str)> {
    let line = line.trim();
    let at = line.find([':', '：'])?;
    let (label, rest) = line.split_at_checked(at)?;
    let value = rest.trim_start_matches([':', '：']).trim();
    let small = label.trim().to_lowercase();
    let found = LABELS.iter().find(|known| known.text == small)?;
    Some((found, value))
}

/// The licence status that a sentence of `/xpr` tells.
pub(super) fn statement(line: &str) -> Option<u8> {
    let small = line.to_lowercase();
    STATEMENTS.iter().find(|(part, _)| small.contains(part)).map(|(_, status)| *status)
}

/// The number of a status word.
pub(super) fn status(value: &str) -> Option<u8> {
    let small = value.trim_matches(|c: char| c == '-' || c.is_whitespace()).to_lowercase();
    STATUSES.iter().find(|(word, _)| small.starts_with(word)).map(|(_, status)| *status)
}

const fn en(text: &'static str, field: Field) -> Label {
    Label { language: "en", field, text }
}

const fn de(text: &'static str, field: Field) -> Label {
    Label { language: "de", field, text }
}

const fn zh(text: &'static str, field: Field) -> Label {
    Label { language: "zh", field, text }
}

const LABELS: &[Label] = &[
    en("name", Field::Name),
    en("description", Field::Description),
    en("partial product key", Field::Key),
    en("license status", Field::Status),
    en("notification reason", Field::Code),
    en("volume activation expiration", Field::Minutes),
    en("time remaining", Field::Minutes),
    en("client machine id (cmid)", Field::Cmid),
    en("registered kms machine name", Field::RegisteredHost),
    en("kms machine name from dns", Field::FoundHost),
    en("dns auto-discovery", Field::DnsFoundNone),
    en("activation interval", Field::ActivationInterval),
    en("renewal interval", Field::RenewalInterval),
    en("current count", Field::Count),
    en("listening on port", Field::Port),
    en("total requests received", Field::Total),
    en("failed requests received", Field::Failed),
    en("software licensing service version", Field::Other),
    en("activation id", Field::Other),
    en("application id", Field::Other),
    en("extended pid", Field::Other),
    en("product key channel", Field::Other),
    en("installation id", Field::Other),
    en("configured activation type", Field::Other),
    en("kms machine ip address", Field::Other),
    en("trusted time", Field::Other),
    // ospp, whose labels are English everywhere.
    en("sku id", Field::SkuId),
    en("license name", Field::Name),
    en("license description", Field::Description),
    en("remaining grace", Field::Minutes),
    en("error code", Field::Code),
    en("last 5 characters of installed product key", Field::Key),
    en("kms machine registry override defined", Field::RegisteredHost),
    en("activation type configuration", Field::Other),
    en("product id", Field::Other),
    de("beschreibung", Field::Description),
    de("teil-product key", Field::Key),
    de("teil des product keys", Field::Key),
    de("partieller product key", Field::Key),
    de("lizenzstatus", Field::Status),
    de("benachrichtigungsgrund", Field::Code),
    de("ablauf der volumenaktivierung", Field::Minutes),
    de("volumenaktivierungsablauf", Field::Minutes),
    de("verbleibende zeit", Field::Minutes),
    de("clientcomputer-id (cmid)", Field::Cmid),
    de("registrierter kms-computername", Field::RegisteredHost),
    de("name des registrierten kms-computers", Field::RegisteredHost),
    de("kms-computername von dns", Field::FoundHost),
    de("kms-computername aus dns", Field::FoundHost),
    de("dns-autoermittlung", Field::DnsFoundNone),
    de("automatische dns-ermittlung", Field::DnsFoundNone),
    de("aktivierungsintervall", Field::ActivationInterval),
    de("erneuerungsintervall", Field::RenewalInterval),
    de("aktuelle anzahl", Field::Count),
    de("überwachter port", Field::Port),
    de("empfangene anforderungen insgesamt", Field::Total),
    de("empfangene fehlerhafte anforderungen", Field::Failed),
    de("aktivierungs-id", Field::Other),
    de("anwendungs-id", Field::Other),
    de("erweiterte pid", Field::Other),
    de("installations-id", Field::Other),
    de("konfigurierter aktivierungstyp", Field::Other),
    zh("名称", Field::Name),
    zh("描述", Field::Description),
    zh("部分产品密钥", Field::Key),
    zh("许可证状态", Field::Status),
    zh("通知原因", Field::Code),
    zh("批量激活过期", Field::Minutes),
    zh("批量激活过期时间", Field::Minutes),
    zh("剩余时间", Field::Minutes),
    zh("客户端计算机 id (cmid)", Field::Cmid),
    zh("已注册的 kms 计算机名称", Field::RegisteredHost),
    zh("注册的 kms 计算机名称", Field::RegisteredHost),
    zh("已注册 kms 计算机名称", Field::RegisteredHost),
    zh("来自 dns 的 kms 计算机名称", Field::FoundHost),
    zh("dns 自动发现", Field::DnsFoundNone),
    zh("激活间隔", Field::ActivationInterval),
    zh("激活时间间隔", Field::ActivationInterval),
    zh("续订间隔", Field::RenewalInterval),
    zh("当前计数", Field::Count),
    zh("侦听端口", Field::Port),
    zh("收到的请求总数", Field::Total),
    zh("收到的失败请求数", Field::Failed),
    zh("激活 id", Field::Other),
    zh("应用程序 id", Field::Other),
    zh("扩展 pid", Field::Other),
    zh("安装 id", Field::Other),
    zh("产品密钥通道", Field::Other),
    zh("已配置的激活类型", Field::Other),
];

/// Status words; longer ones before those that they begin with.
const STATUSES: &[(&str, u8)] = &[
    ("unlicensed", 0),
    ("licensed", 1),
    ("initial grace", 2),
    ("oob_grace", 2),
    ("additional grace", 3),
    ("oot_grace", 3),
    ("non-genuine", 4),
    ("non_genuine", 4),
    ("notification", 5),
    ("extended", 6),
    ("nicht lizenziert", 0),
    ("lizenziert", 1),
    ("anfänglich", 2),
    ("ursprünglich", 2),
    ("zusätzlich", 3),
    ("nicht original", 4),
    ("benachrichtigung", 5),
    ("erweitert", 6),
    ("未授权", 0),
    ("未经授权", 0),
    ("已授权", 1),
    ("已获许可", 1),
    ("初始宽限期", 2),
    ("附加宽限期", 3),
    ("其他宽限期", 3),
    ("非正版", 4),
    ("通知", 5),
    ("延长", 6),
];

const STATEMENTS: &[(&str, u8)] = &[
    ("volume activation will expire", 1),
    ("machine is permanently activated", 1),
    ("windows is in notification mode", 5),
    ("initial grace period ends", 2),
    ("additional grace period ends", 3),
    ("volumenaktivierung läuft", 1),
    ("computer ist dauerhaft aktiviert", 1),
    ("批量激活将于", 1),
    ("计算机已永久激活", 1),
];
