//! Codes of the Software Licensing Service on the machine itself: 0xC004F and 0xC004FD.

use super::SeenBy::{AvmaGuest, Client, Host, Mak};
use super::{Hresult, HresultInfo};

const ERRORS: &str = "Microsoft Learn, \"Troubleshoot Windows activation error codes\"";
const SLERROR: &str = "Windows SDK, slerror.h";

pub(super) const ROWS: &[HresultInfo] = &[
    HresultInfo {
        code: Hresult(0xC004_F009),
        symbol: Some("SL_E_GRACE_TIME_EXPIRED"),
        meaning: "the grace period has expired",
        cause: "The product was not activated, or not renewed, in time. It is now in notification \
                mode.",
        remedy: "Restore the way to the KMS host and run `slmgr /ato`. With a MAK, activate online \
                 or by phone.",
        seen_by: &[Mak, Client],
        source: "Microsoft Learn, \"Troubleshoot Windows activation error codes\"; Microsoft \
                 slmgr.vbs (notification reason)",
    },
    HresultInfo {
        code: Hresult(0xC004_F00F),
        symbol: Some("SL_E_OUT_OF_TOLERANCE"),
        meaning: "the hardware has changed beyond tolerance",
        cause: "Parts or drivers were changed, or the system drive now runs in another machine.",
        remedy: "KMS client: restart, or run `slmgr /ato`. MAK: activate again while the \
                 additional grace period lasts.",
        seen_by: &[Client, Host, Mak],
        source: ERRORS,
    },
    HresultInfo {
        code: Hresult(0xC004_F014),
        symbol: Some("SL_E_PKEY_NOT_INSTALLED"),
        meaning: "no product key is installed",
        cause: "The machine has neither a GVLK nor a MAK.",
        remedy: "Install the GVLK of its edition for KMS, or a MAK (`slmgr /ipk`).",
        seen_by: &[Client, Mak],
        source: ERRORS,
    },
    HresultInfo {
        code: Hresult(0xC004_F015),
        symbol: Some("SL_E_PRODUCT_SKU_NOT_INSTALLED"),
        meaning: "the licence is not installed",
        cause: "In event 12290: an old KMS host lacks the update or the host key for the Windows \
                version that asked. The client itself sees 0xC004F042.",
        remedy: "Install the update and a host key that cover the newer clients, or move the host \
                 to a newer Windows Server.",
        seen_by: &[Host],
        source: "Microsoft Learn, Windows activation troubleshooting, \"Error 0xC004F015\"",
    },
    HresultInfo {
        code: Hresult(0xC004_F017),
        symbol: Some("SL_E_PUBLISHING_LICENSE_NOT_INSTALLED"),
        meaning: "the publishing licence is not installed",
        cause: "Microsoft documents no cause. The name says that a licence file that the product \
                key needs is missing.",
        remedy: "Check that the key fits the installed edition and build, then reinstall the \
                 licence files (`slmgr /rilc`).",
        seen_by: &[],
        source: SLERROR,
    },
    HresultInfo {
        code: Hresult(0xC004_F025),
        symbol: Some("SL_E_LUA_ACCESSDENIED"),
        meaning: "administrator rights are needed",
        cause: "The command ran without elevation.",
        remedy: "Run it from an elevated prompt.",
        seen_by: &[Client, Host, Mak],
        source: "Windows SDK, slerror.h; Microsoft, extended security updates, troubleshooting \
                 (KB 4547184)",
    },
    HresultInfo {
        code: Hresult(0xC004_F02C),
        symbol: Some("SL_E_CIDIID_INVALID_DATA"),
        meaning: "the offline activation data has a wrong format",
        cause: "The confirmation id was mistyped.",
        remedy: "Enter the confirmation id again (`slmgr /atp`).",
        seen_by: &[Mak],
        source: ERRORS,
    },
    HresultInfo {
        code: Hresult(0xC004_F035),
        symbol: Some("SL_E_VL_NOT_WINDOWS_SLP"),
        meaning: "this volume licence key is not valid on this machine",
        cause: "A volume licence is an upgrade, and the BIOS carries no marker of a qualifying \
                Windows (Windows 7 era).",
        remedy: "Use a MAK or a retail key, or activate by phone. Check that the machine came with \
                 a qualifying Windows.",
        seen_by: &[Client, Host],
        source: ERRORS,
    },
    HresultInfo {
        code: Hresult::NOT_ENOUGH_COUNT,
        symbol: Some("SL_E_VL_NOT_ENOUGH_COUNT"),
        meaning: "the count reported by the KMS host is too low",
        cause: "The host answered, and fewer machines have asked it in the last 30 days than this \
                product needs: 25 for a Windows client, 5 for Windows Server and Office. Cloned \
                machines with the same CMID count once.",
        remedy: "Look at the count on the host (`slmgr /dlv`). Let more machines ask it, and give \
                 clones their own CMID (`slmgr /rearm`, restart).",
        seen_by: &[Client],
        source: ERRORS,
    },
    HresultInfo {
        code: Hresult(0xC004_F039),
        symbol: Some("SL_E_VL_BINDING_SERVICE_NOT_ENABLED"),
        meaning: "the Key Management Service is not enabled",
        cause: "The host did not answer the request: it has no KMS host key, or TCP 1688 is \
                filtered.",
        remedy: "Check on the host that the service is enabled (`slmgr /dlv`), then the path to \
                 TCP 1688.",
        seen_by: &[Client],
        source: ERRORS,
    },
    HresultInfo {
        code: Hresult::HOST_NOT_ACTIVATED,
        symbol: Some("SL_E_VL_KEY_MANAGEMENT_SERVICE_NOT_ACTIVATED"),
        meaning: "the KMS host is not activated",
        cause: "The host has a host key, and that key has not been activated with Microsoft.",
        remedy: "Activate the host online (`slmgr /ato`) or by phone.",
        seen_by: &[Client],
        source: ERRORS,
    },
    HresultInfo {
        code: Hresult::PRODUCT_NOT_COVERED,
        symbol: Some("SL_E_VL_KEY_MANAGEMENT_SERVICE_ID_MISMATCH"),
        meaning: "this KMS host cannot be used for this product",
        cause: "The host key does not cover the product or edition that asked: a Windows host \
                asked for Office or the other way round, or a host key older than the client.",
        remedy: "Point the client at the host for its product, or install a newer host key and the \
                 update that it needs.",
        seen_by: &[Client],
        source: "Microsoft Learn, \"Troubleshoot Windows activation error codes\" and \"Error \
                 0xC004F042\"",
    },
    HresultInfo {
        code: Hresult(0xC004_F050),
        symbol: Some("SL_E_INVALID_PRODUCT_KEY"),
        meaning: "the product key is invalid",
        cause: "A typing mistake, a key of another version or edition, or dashes that a document \
                turned into other characters.",
        remedy: "Type the key by hand, and check that it is meant for this version and edition.",
        seen_by: &[Client, Host, Mak],
        source: ERRORS,
    },
    HresultInfo {
        code: Hresult(0xC004_F051),
        symbol: Some("SL_E_BLOCKED_PRODUCT_KEY"),
        meaning: "the product key is blocked",
        cause: "Microsoft has blocked the key.",
        remedy: "Get a new MAK or KMS host key and install it.",
        seen_by: &[Mak, Host],
        source: ERRORS,
    },
    HresultInfo {
        code: Hresult(0xC004_F056),
        symbol: Some("SL_E_VL_MACHINE_NOT_BOUND"),
        meaning: "the product could not be activated with KMS",
        cause: "The state of a KMS client that no host has activated yet. It says nothing about \
                why.",
        remedy: "Run `slmgr /ato` and read the code that comes back, and event 12288.",
        seen_by: &[Client],
        source: SLERROR,
    },
    HresultInfo {
        code: Hresult(0xC004_F064),
        symbol: Some("SL_E_NONGENUINE_GRACE_TIME_EXPIRED"),
        meaning: "the non-genuine grace period has expired",
        cause: "The installation failed validation and was not put right in time.",
        remedy: "Install a genuine product key, then activate and validate again.",
        seen_by: &[Mak],
        source: ERRORS,
    },
    HresultInfo {
        code: Hresult(0xC004_F065),
        symbol: None,
        meaning: "running in the non-genuine grace period",
        cause: "The installation failed validation. It keeps working until the period ends. The \
                Windows SDK defines the code as 0x4004F065; the support page prints this one.",
        remedy: "Install a genuine product key before the period ends, then activate and validate \
                 again.",
        seen_by: &[Client, Mak],
        source: ERRORS,
    },
    HresultInfo {
        code: Hresult(0xC004_F069),
        symbol: Some("SL_E_MISMATCHED_PRODUCT_SKU"),
        meaning: "the edition that the product key is for is not installed",
        cause: "The key belongs to another edition, such as a Server Standard key on an evaluation \
                edition.",
        remedy: "Install the key of the installed edition, or change the edition first \
                 (`dism /online /set-edition`).",
        seen_by: &[Client, Mak],
        source: "Microsoft Learn, slpublic.h reference (SLInstallProofOfPurchaseEx); Windows SDK, \
                 slerror.h",
    },
    HresultInfo {
        code: Hresult(0xC004_F06B),
        symbol: Some("SL_E_VL_KEY_MANAGEMENT_SERVICE_VM_NOT_SUPPORTED"),
        meaning: "a KMS host in a virtual machine is not supported in this mode",
        cause: "Early KMS versions did not run as a host in a virtual machine.",
        remedy: "Run the host on a newer Windows Server, where this limit is gone, or on a \
                 physical machine.",
        seen_by: &[Host],
        source: SLERROR,
    },
    HresultInfo {
        code: Hresult::INVALID_TIMESTAMP,
        symbol: Some("SL_E_VL_INVALID_TIMESTAMP"),
        meaning: "the time stamp of the request is invalid",
        cause: "The clocks of client and KMS host are more than four hours apart, in UTC. The time \
                zone plays no part.",
        remedy: "Synchronise both (`w32tm /resync`). A virtual machine may take a wrong time from \
                 its own host.",
        seen_by: &[Client, Host],
        source: "Microsoft Learn, \"Troubleshoot Windows activation error codes\" and \"Error \
                 0xC004F06C when you activate Windows\"",
    },
    HresultInfo {
        code: Hresult::NO_KMS_AVAILABLE,
        symbol: Some("SL_E_VL_BINDING_SERVICE_UNAVAILABLE"),
        meaning: "no Key Management Service could be contacted",
        cause: "Every host that the client tried failed: the service is stopped, TCP 1688 is \
                blocked, DNS records are stale, the host does not know this version, or the clocks \
                are more than four hours apart.",
        remedy: "Read the code inside event 12288 for each host that was tried: it tells which of \
                 these it was. Then test DNS and TCP 1688 from this client.",
        seen_by: &[Client],
        source: "Microsoft Learn, \"Troubleshoot Windows activation error codes\" and \"Error \
                 0xC004F074 when you activate Windows\"",
    },
    HresultInfo {
        code: Hresult(0xC004_F200),
        symbol: Some("SL_E_NOT_GENUINE"),
        meaning: "this installation is not genuine",
        cause: "Validation failed. In January 2019 it struck Windows 7 KMS clients with update \
                KB 971033.",
        remedy: "On such a Windows 7 client remove KB 971033, rebuild the licensing files, install \
                 the GVLK and activate again.",
        seen_by: &[Client],
        source: "Microsoft Learn, Windows client licensing, \"Activation failures and not genuine \
                 notifications\"",
    },
    HresultInfo {
        code: Hresult(0xC004_FD01),
        symbol: Some("SL_E_IA_INVALID_VIRTUALIZATION_PLATFORM"),
        meaning: "not running on a supported Microsoft Hyper-V",
        cause: "An AVMA key is installed, and the machine is no guest of Hyper-V.",
        remedy: "Install the GVLK of the edition and use KMS.",
        seen_by: &[AvmaGuest],
        source: "Microsoft Learn, Azure virtual machines, Windows activation troubleshooting; \
                 Windows SDK, slerror.h",
    },
    HresultInfo {
        code: Hresult(0xC004_FD02),
        symbol: Some("SL_E_IA_PARENT_PARTITION_NOT_ACTIVATED"),
        meaning: "the virtualization host is not activated",
        cause: "An AVMA key is installed, and the Hyper-V host under the guest is not activated.",
        remedy: "Activate the Hyper-V host, or install the GVLK of the edition and use KMS.",
        seen_by: &[AvmaGuest],
        source: "Microsoft Learn, Azure virtual machines, Windows activation troubleshooting; \
                 Windows SDK, slerror.h",
    },
];
