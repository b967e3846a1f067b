//! Win32, RPC and DNS codes: 0x8xxxxxxx and NTSTATUS 0xC002xxxx.

use super::SeenBy::{Client, Host, Mak};
use super::{Hresult, HresultInfo};

const ERRORS: &str = "Microsoft Learn, \"Troubleshoot Windows activation error codes\"";
const OSPP: &str = "Microsoft ospp.vbs (its list of codes, KB 2870357); Win32 error numbering";
const EVENT_8198: &str =
    "Microsoft Learn, Windows activation troubleshooting, \"Activation event 8198\"";

pub(super) const ROWS: &[HresultInfo] = &[
    HresultInfo {
        code: Hresult(0x8000_4005),
        symbol: Some("E_FAIL"),
        meaning: "unspecified failure",
        cause: "In online activation: a proxy asks for Basic authentication, which the licensing \
                service cannot give.",
        remedy: "Let the activation addresses pass the proxy without authentication. The code is \
                 used for much else: read the text beside it.",
        seen_by: &[Mak],
        source: "Microsoft Learn, Windows activation troubleshooting, \"Error 0x8004FE33\"",
    },
    HresultInfo {
        code: Hresult(0x8004_FE21),
        symbol: None,
        meaning: "this copy of Windows is not genuine",
        cause: "Language packs on an edition that is not licensed for them, damaged licensing \
                files, or malware.",
        remedy: "Remove language packs that the edition does not cover and check the system files \
                 (`sfc /scannow`). If that does not help, reinstall Windows.",
        seen_by: &[Client, Mak],
        source: ERRORS,
    },
    HresultInfo {
        code: Hresult(0x8004_FE33),
        symbol: None,
        meaning: "online activation stopped by a proxy",
        cause: "The proxy asks for Basic authentication, which the licensing service cannot give.",
        remedy: "Let the activation addresses pass the proxy without authentication. KMS needs no \
                 proxy: it is RPC on TCP 1688.",
        seen_by: &[Mak],
        source: "Microsoft Learn, Windows activation troubleshooting, \"Error 0x8004FE33\"",
    },
    HresultInfo {
        code: Hresult(0x8007_0001),
        symbol: Some("ERROR_INVALID_FUNCTION"),
        meaning: "incorrect function",
        cause: "On Microsoft's list for Office activation, which names no cause.",
        remedy: "Run `cscript ospp.vbs /ddescr:0x80070001` on the machine and repair the Office \
                 installation.",
        seen_by: &[Client],
        source: OSPP,
    },
    HresultInfo {
        code: Hresult(0x8007_0005),
        symbol: Some("E_ACCESSDENIED"),
        meaning: "access denied",
        cause: "The command ran without elevation. Or, with event 8229, the licensing service may \
                not use its own DCOM object.",
        remedy: "Run it from an elevated prompt. With event 8229, give SELF its default DCOM \
                 access and launch permissions back (dcomcnfg).",
        seen_by: &[Client, Host, Mak],
        source: "Microsoft Learn, \"Troubleshoot Windows activation error codes\" and \"Error \
                 0x80070005 when you activate Windows\"",
    },
    HresultInfo {
        code: Hresult::INVALID_DATA,
        symbol: Some("ERROR_INVALID_DATA"),
        meaning: "the data is invalid",
        cause: "On a machine: SYSTEM has lost its rights on the registry key \
                HKLM\\SYSTEM\\CurrentControlSet\\Enum\\Root. In a KMS answer: the host could not \
                make sense of the request; a simulator says so to a request of another lab or of a \
                real client.",
        remedy: "On a machine: give SYSTEM \"Enumerate Subkeys\" on that key back. In a KMS \
                 answer: a real client has met a simulator, or two labs use different lab keys.",
        seen_by: &[Client, Host, Mak],
        source: "Microsoft Learn, Windows activation troubleshooting, \"Error 0x8007000D\"; the \
                 use in a KMS answer is not documented by Microsoft",
    },
    HresultInfo {
        code: Hresult(0x8007_007B),
        symbol: Some("ERROR_INVALID_NAME"),
        meaning: "DNS name does not exist",
        cause: "The client found no SRV record for a KMS host. With event 8198: the client has no \
                KMS client key (GVLK) installed.",
        remedy: "Publish the record _vlmcs._tcp in the zone that the client searches, or install \
                 the GVLK of its edition (`slmgr /ipk`).",
        seen_by: &[Client],
        source: "Microsoft Learn, \"Troubleshoot Windows activation error codes\" and \
                 \"Troubleshoot Active Directory-based activation\"",
    },
    HresultInfo {
        code: Hresult(0x8007_0422),
        symbol: Some("ERROR_SERVICE_DISABLED"),
        meaning: "the service is disabled",
        cause: "A service that activation needs, such as Software Protection, is set to disabled.",
        remedy: "Set its start type back to the default and start it.",
        seen_by: &[Client],
        source: OSPP,
    },
    HresultInfo {
        code: Hresult(0x8007_0426),
        symbol: Some("ERROR_SERVICE_NOT_ACTIVE"),
        meaning: "the service has not been started",
        cause: "A service that activation needs, such as Software Protection, is not running.",
        remedy: "Start it (`net start sppsvc`, or `net start osppsvc` for Office on Windows 7).",
        seen_by: &[Client],
        source: OSPP,
    },
    HresultInfo {
        code: Hresult(0x8007_0490),
        symbol: Some("ERROR_NOT_FOUND"),
        meaning: "the product key did not work",
        cause: "A wrong MAK. On Windows Server 2019 also a known issue of the Settings page.",
        remedy: "Install the key with `slmgr /ipk` from an elevated prompt, then `slmgr /ato`.",
        seen_by: &[Mak],
        source: ERRORS,
    },
    HresultInfo {
        code: Hresult(0x8007_05B4),
        symbol: Some("ERROR_TIMEOUT"),
        meaning: "the operation timed out",
        cause: "DNS or the KMS host did not answer in time: packets are lost or filtered, or the \
                host is overloaded.",
        remedy: "Test TCP 1688 from this client (`kms-probe check`, `Test-NetConnection HOST -Port \
                 1688`) and open the path.",
        seen_by: &[Client],
        source: "Microsoft Learn, Azure virtual machines, \"Error 0x800705B4 when you activate \
                 Windows\"",
    },
    HresultInfo {
        code: Hresult::RPC_SERVER_UNAVAILABLE,
        symbol: Some("RPC_S_SERVER_UNAVAILABLE"),
        meaning: "the RPC server is unavailable",
        cause: "The host's firewall does not let TCP 1688 in, the SRV record names a host that is \
                gone, or the Software Protection service of the host is not running.",
        remedy: "Enable the rule for TCP 1688 on the host, correct or delete the stale record, \
                 start the service.",
        seen_by: &[Client],
        source: ERRORS,
    },
    HresultInfo {
        code: Hresult(0x8007_139F),
        symbol: Some("ERROR_INVALID_STATE"),
        meaning: "not in the right state for the request",
        cause: "In event 8198: the licensing service cannot reach a KMS host. Firewall, VPN \
                tunnel, DNS, a wrong target, or a stuck Software Protection service.",
        remedy: "Test name resolution and TCP 1688, then restart the service \
                 (`Restart-Service sppsvc -Force`) and run `slmgr /ato`.",
        seen_by: &[Client],
        source: EVENT_8198,
    },
    HresultInfo {
        code: Hresult(0x8007_232A),
        symbol: Some("DNS_ERROR_RCODE_SERVER_FAILURE"),
        meaning: "DNS server failure",
        cause: "The DNS server answered SERVFAIL, or the network between was down: the zone is not \
                loaded, a forwarder does not answer, or DNSSEC validation failed.",
        remedy: "Ask that server for the record yourself (`nslookup -type=srv _vlmcs._tcp.DOMAIN`) \
                 and repair the zone or the forwarder.",
        seen_by: &[Host],
        source: ERRORS,
    },
    HresultInfo {
        code: Hresult::DNS_NAME_ERROR,
        symbol: Some("DNS_ERROR_RCODE_NAME_ERROR"),
        meaning: "DNS name does not exist",
        cause: "There is no _vlmcs._tcp record in any domain that the client searches.",
        remedy: "Let the KMS host publish its record, or create it by hand. Without DNS, name the \
                 host with `slmgr /skms HOST:PORT`. A machine that cannot reach a host needs a MAK.",
        seen_by: &[Client],
        source: ERRORS,
    },
    HresultInfo {
        code: Hresult(0x8007_2338),
        symbol: Some("DNS_ERROR_RCODE_BADSIG"),
        meaning: "DNS signature failed to verify",
        cause: "In event 12293: the host may not update the _VLMCS record, because another host \
                created it and owns it.",
        remedy: "Give the host's account write access to the record, or publish it by hand; then \
                 restart the Software Protection service.",
        seen_by: &[Host],
        source: "Microsoft Learn, Windows activation troubleshooting, \"Event 12293\"",
    },
    HresultInfo {
        code: Hresult::DNS_NO_RECORDS,
        symbol: Some("DNS_INFO_NO_RECORDS"),
        meaning: "no records for the DNS query",
        cause: "The name exists and has no SRV record.",
        remedy: "Publish the record _vlmcs._tcp for each KMS host, with port 1688.",
        seen_by: &[Client],
        source: ERRORS,
    },
    HresultInfo {
        code: Hresult(0x8007_267C),
        symbol: Some("DNS_ERROR_NO_DNS_SERVERS"),
        meaning: "no DNS servers are configured",
        cause: "The network adapter has no DNS server.",
        remedy: "Set one, by DHCP or by hand. Until then name the host by address: \
                 `slmgr /skms ADDRESS:PORT`.",
        seen_by: &[Client, Host],
        source: "Microsoft Learn, Windows activation troubleshooting, \"Windows activation fails \
                 with error 0x8007267C\"",
    },
    HresultInfo {
        code: Hresult(0x8007_2EE2),
        symbol: Some("ERROR_INTERNET_TIMEOUT"),
        meaning: "the request to the activation service timed out",
        cause: "Firewall or proxy between this machine and Microsoft's activation service. KMS \
                does not use it.",
        remedy: "Let the activation addresses pass on TCP 443 and 80, or activate by phone.",
        seen_by: &[Mak],
        source: "Microsoft, extended security updates, troubleshooting (KB 4547184)",
    },
    HresultInfo {
        code: Hresult(0x8007_2EE7),
        symbol: Some("ERROR_INTERNET_NAME_NOT_RESOLVED"),
        meaning: "the name of the activation service cannot be resolved",
        cause: "No DNS for Internet names on this machine, or a proxy that it does not know.",
        remedy: "Resolve activation.sls.microsoft.com from this machine and repair DNS or the \
                 proxy settings.",
        seen_by: &[Mak],
        source: "Microsoft, extended security updates, troubleshooting (KB 4547184)",
    },
    HresultInfo {
        code: Hresult(0x8007_2F8F),
        symbol: Some("ERROR_INTERNET_SECURE_FAILURE"),
        meaning: "no secure connection to the activation service",
        cause: "TLS failed: an old TLS version, a wrong clock, or a proxy that opens TLS.",
        remedy: "Enable TLS 1.2, set the clock, and exempt the activation addresses from TLS \
                 inspection.",
        seen_by: &[Mak],
        source: "Microsoft, extended security updates, troubleshooting (KB 4547184)",
    },
    HresultInfo {
        code: Hresult(0x8009_2328),
        symbol: None,
        meaning: "DNS name does not exist",
        cause: "The client found no SRV record for a KMS host.",
        remedy: "Publish the record _vlmcs._tcp in the zone that the client searches.",
        seen_by: &[Client],
        source: ERRORS,
    },
    HresultInfo {
        code: Hresult(0xC002_0017),
        symbol: Some("RPC_NT_SERVER_UNAVAILABLE"),
        meaning: "the RPC server is unavailable",
        cause: "In event 8198: the licensing service cannot reach a KMS host. Firewall, VPN \
                tunnel, DNS, a wrong target, or a stuck Software Protection service.",
        remedy: "Test name resolution and TCP 1688, then restart the service \
                 (`Restart-Service sppsvc -Force`) and run `slmgr /ato`.",
        seen_by: &[Client],
        source: EVENT_8198,
    },
];
