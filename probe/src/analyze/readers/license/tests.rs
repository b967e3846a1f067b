#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use super::super::super::records::Records;
use super::*;

fn records(text: &str) -> Records {
    assert!(recognises(text), "not recognised: {text}");
    let mut records = Records::default();
    let mut input = text.as_bytes();
    read(&mut input, 0, &mut records.begin("x.txt".to_owned())).unwrap();
    records
}

const CMID: &str = "36f27b39-2fd5-440b-be67-a09996d27a38";

/// The same licensed client, in four languages: labels and words in the order of the script.
fn client(labels: [&str; 9]) -> String {
    let [name, description, key, status, expiration, cmid, dns, activation, renewal] = labels;
    format!(
        "{name}: Windows(R), Enterprise edition\r\n\
         {description}: Windows(R) Operating System, VOLUME_KMSCLIENT channel\r\n\
         Id: 73111121-5638-40f6-bc11-f1d7b0d64300\r\n\
         {key}: 2YT43\r\n{status}\r\n{expiration}: 41760 minute(s) (29 day(s))\r\n\r\n\
         \x20   {cmid}: {CMID}\r\n    {dns}: kms1.corp.test:1688\r\n\
         \x20   {activation}: 120 minutes\r\n    {renewal}: 10080 minutes\r\n"
    )
}

#[test]
fn a_licensed_client_is_read_in_every_language_the_same() {
    let english = client([
        "Name",
        "Description",
        "Partial Product Key",
        "License Status: Licensed",
        "Volume activation expiration",
        "Client Machine ID (CMID)",
        "KMS machine name from DNS",
        "Activation interval",
        "Renewal interval",
    ]);
    let german = client([
        "Name",
        "Beschreibung",
        "Teil-Product Key",
        "Lizenzstatus: Lizenziert",
        "Ablauf der Volumenaktivierung",
        "Clientcomputer-ID (CMID)",
        "KMS-Computername von DNS",
        "Aktivierungsintervall",
        "Erneuerungsintervall",
    ]);
    let chinese = client([
        "名称",
        "描述",
        "部分产品密钥",
        "许可证状态: 已授权",
        "批量激活过期",
        "客户端计算机 ID (CMID)",
        "来自 DNS 的 KMS 计算机名称",
        "激活间隔",
        "续订间隔",
    ]);
    let unknown = client([
        "Nimi",
        "Kuvaus",
        "Avaimen osa",
        "Tila: Lisensoitu",
        "Vanhenee",
        "Tietokoneen tunnus (CMID)",
        "DNS-nimi",
        "Aktivointiväli",
        "Uusimisväli",
    ]);
    for (text, language) in
        [(english, Some("en")), (german, Some("de")), (chinese, Some("zh")), (unknown, None)]
    {
        let records = records(&text);
        let [license] = records.licenses.as_slice() else { panic!("{:?}", records.licenses) };
        assert_eq!(license.language, language);
        assert_eq!(license.product, "Windows(R), Enterprise edition", "{language:?}");
        assert_eq!(license.channel, Some(Channel::KmsClient));
        assert_eq!(license.partial_key.as_deref(), Some("2YT43"), "{language:?}");
        assert_eq!((license.status, license.minutes), (Some(1), Some(41_760)), "{language:?}");
        assert_eq!(records.names.guid(license.cmid).to_string(), CMID);
        assert_eq!(records.names.text(license.found_host), "kms1.corp.test:1688");
        assert_eq!(license.activation_interval, Some(120), "{language:?}");
        assert_eq!(license.renewal_interval, Some(10_080), "{language:?}");
        let notes = &records.files.first().unwrap().notes;
        assert_eq!(notes.is_empty(), language.is_some());
    }
}

#[test]
fn a_notification_has_its_reason() {
    let records = records(
        "Name: Windows(R), Professional edition\n\
         Description: Windows(R) Operating System, VOLUME_MAK channel\n\
         License Status: Notification\nNotification Reason: 0xC004F009 (grace time expired).\n",
    );
    let license = records.licenses.first().unwrap();
    assert_eq!((license.status, license.code), (Some(5), Some(0xC004_F009)));
    assert_eq!(license.channel, Some(Channel::Mak));
}

#[test]
fn a_host_has_its_counters() {
    let records = records(
        "Name: Office 16, OfficeKMSHostVL_KMS_Host edition\nDescription: Office 16, VOLUME_KMS channel\n\
         License Status: Licensed\nKey Management Service is enabled on this machine\n\
         \x20  Current count: 3\n   Listening on Port: 1688\n   Total requests received: 826\n\
         \x20  Failed requests received: 12\n",
    );
    let license = records.licenses.first().unwrap();
    let host = license.host.unwrap();
    assert_eq!((host.count, host.port), (Some(3), Some(1688)));
    assert_eq!((host.total, host.failed), (Some(826), Some(12)));
    assert_eq!(license.channel, Some(Channel::KmsHost));
}

#[test]
fn every_licence_of_ospp_is_read() {
    let one = "SKU ID: d450596f-894d-49e0-966a-fd39ed4c4c64\n\
               LICENSE NAME: Office 16, Office16ProPlusVL_KMS_Client edition\n\
               LICENSE DESCRIPTION: Office 16, VOLUME_KMSCLIENT channel\n\
               LICENSE STATUS:  ---LICENSED---\n\
               REMAINING GRACE: 180 days  (259200 minute(s) before expiring)\n\
               Last 5 characters of installed product key: WFG99\n\
               \tDNS auto-discovery: KMS name not available\n\
               \tActivation Interval: 120 minutes\n---------------------------------------\n";
    let other = one.replace("---LICENSED---", "---NOTIFICATIONS---\nERROR CODE: 0xC004F009");
    let records = records(&format!("---Processing---\n---\n{one}{other}---Exiting---\n"));
    let [first, second] = records.licenses.as_slice() else { panic!("{:?}", records.licenses) };
    assert_eq!((first.tool, first.status, first.minutes), (Tool::Ospp, Some(1), Some(259_200)));
    assert!(first.dns_found_none);
    assert_eq!((second.status, second.code), (Some(5), Some(0xC004_F009)));
}

#[test]
fn the_sentence_of_xpr_is_enough() {
    let text = "Windows(R), Enterprise edition:\n    Volume activation will expire 5/20/2027\n";
    assert_eq!(records(text).licenses.first().unwrap().status, Some(1));
    assert!(!recognises("name: x\nage: 3\n"));
}
