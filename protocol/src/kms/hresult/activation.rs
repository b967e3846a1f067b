//! Codes of Microsoft's activation service: 0xC004B, 0xC004C and 0xC004E.

use super::SeenBy::{Client, Host, Mak};
use super::{Hresult, HresultInfo};

const ERRORS: &str = "Microsoft Learn, \"Troubleshoot Windows activation error codes\"";
const SLERROR: &str = "Windows SDK, slerror.h";

pub(super) const ROWS: &[HresultInfo] = &[
    HresultInfo {
        code: Hresult(0xC004_B011),
        symbol: Some("SL_E_SRV_CLIENT_CLOCK_OUT_OF_SYNC"),
        meaning: "the clock of this machine is wrong",
        cause: "The activation service compared it with its own. Microsoft names no limit.",
        remedy: "Set date, time and time zone (`w32tm /resync`) and activate again.",
        seen_by: &[Mak],
        source: SLERROR,
    },
    HresultInfo {
        code: Hresult(0xC004_B100),
        symbol: Some("SL_E_SRV_GENERAL_ERROR"),
        meaning: "the activation service could not activate this machine",
        cause: "The MAK is not one that the service supports.",
        remedy: "Check the MAK against the licensing portal, and the edition it is meant for.",
        seen_by: &[Mak],
        source: ERRORS,
    },
    HresultInfo {
        code: Hresult(0xC004_C001),
        symbol: Some("SL_E_CHPA_PRODUCT_KEY_OUT_OF_RANGE"),
        meaning: "the activation service says that the product key is invalid",
        cause: "A wrong MAK was entered.",
        remedy: "Check the key and enter it again.",
        seen_by: &[Mak],
        source: ERRORS,
    },
    HresultInfo {
        code: Hresult(0xC004_C003),
        symbol: Some("SL_E_CHPA_PRODUCT_KEY_BLOCKED"),
        meaning: "the activation service says that the product key is blocked",
        cause: "Microsoft has blocked this MAK.",
        remedy: "Get a new MAK and install it (`slmgr /ipk`).",
        seen_by: &[Mak],
        source: ERRORS,
    },
    HresultInfo {
        code: Hresult(0xC004_C008),
        symbol: Some("SL_E_CHPA_MAXIMUM_UNLOCK_EXCEEDED"),
        meaning: "the activation service says that the product key could not be used",
        cause: "The KMS host key has reached its limit: six hosts, each activated again up to nine \
                times.",
        remedy: "Activate the host by phone, or ask Microsoft to raise the limit. Clients need no \
                 host key: they take a GVLK.",
        seen_by: &[Host],
        source: "Microsoft Learn, \"Troubleshoot Windows activation error codes\" and \"KMS \
                 activation planning\"",
    },
    HresultInfo {
        code: Hresult(0xC004_C017),
        symbol: Some("SL_E_CHPA_PRODUCT_KEY_BLOCKED_IPLOCATION"),
        meaning: "the product key is blocked for this region",
        cause: "The activation service does not accept the key from where this machine is.",
        remedy: "Use a key sold for this region, or ask Microsoft.",
        seen_by: &[Mak],
        source: SLERROR,
    },
    HresultInfo {
        code: Hresult(0xC004_C020),
        symbol: Some("SL_E_CHPA_DMAK_LIMIT_EXCEEDED"),
        meaning: "the MAK has exceeded its limit",
        cause: "A MAK activates a set number of machines, and a machine whose hardware changes \
                counts again.",
        remedy: "Ask Microsoft for more activations of this key, or move the machines to KMS.",
        seen_by: &[Mak],
        source: ERRORS,
    },
    HresultInfo {
        code: Hresult(0xC004_C021),
        symbol: Some("SL_E_CHPA_DMAK_EXTENSION_LIMIT_EXCEEDED"),
        meaning: "the extension of the MAK has exceeded its limit",
        cause: "The extra activations that were granted for this MAK are used up too.",
        remedy: "Ask Microsoft for more activations of this key, or move the machines to KMS.",
        seen_by: &[Mak],
        source: ERRORS,
    },
    HresultInfo {
        code: Hresult(0xC004_E015),
        symbol: Some("SL_E_EUL_CONSUMPTION_FAILED"),
        meaning: "the licence could not be consumed",
        cause: "The licensing store and what is installed do not fit together. Microsoft describes \
                it for Azure virtual machines.",
        remedy: "Rebuild the licensing files (`slmgr /rilc`, restart) and activate again.",
        seen_by: &[Client, Host, Mak],
        source: "Microsoft Learn, Azure virtual machines, Windows activation troubleshooting; \
                 Windows SDK, slerror.h",
    },
];
