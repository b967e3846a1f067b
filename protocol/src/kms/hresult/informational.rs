//! Success and informational codes: 0 and 0x4004xxxx.

use super::SeenBy::{Client, Mak};
use super::{Hresult, HresultInfo};

pub(super) const ROWS: &[HresultInfo] = &[
    HresultInfo {
        code: Hresult::OK,
        symbol: Some("S_OK"),
        meaning: "success",
        cause: "The operation did what it was asked to do. In events 12288 to 12290 it is the \
                result of a good exchange.",
        remedy: "Nothing to do. If a client is still not activated, compare the count in event \
                 12289 with the count that its edition needs.",
        seen_by: &[Client, super::SeenBy::Host],
        source: "Microsoft Learn, \"Guidelines for troubleshooting KMS\" (events 12288 to 12290)",
    },
    HresultInfo {
        code: Hresult(0x4004_F00C),
        symbol: Some("SL_I_OOB_GRACE_PERIOD"),
        meaning: "running in the initial grace period",
        cause: "The product was installed and has not been activated yet. It is still within the \
                days that its edition allows for that.",
        remedy: "Let it reach a KMS host before the grace period ends; `slmgr /xpr` tells when \
                 that is, `slmgr /ato` tries at once.",
        seen_by: &[Client, Mak],
        source: "Windows SDK, slerror.h",
    },
    HresultInfo {
        code: Hresult(0x4004_F00D),
        symbol: Some("SL_I_OOT_GRACE_PERIOD"),
        meaning: "running in the additional grace period",
        cause: "The product was activated before. Then its 180 days ran out without a renewal, or \
                its hardware changed beyond tolerance.",
        remedy: "Restore the way to the KMS host and run `slmgr /ato`. With a MAK, activate again \
                 online or by phone.",
        seen_by: &[Client, Mak],
        source: "Windows SDK, slerror.h; Microsoft Learn, \"Slmgr.vbs options for volume \
                 activation\"",
    },
    HresultInfo {
        code: Hresult(0x4004_F040),
        symbol: Some("SL_E_VL_INFO_PRODUCT_USER_RIGHT"),
        meaning: "activated; the owner should check the product use rights",
        cause: "The ordinary state of a product with a volume licence after it was activated. \
                Despite its prefix it is no error.",
        remedy: "Nothing to repair. The licence terms decide whether this machine may use the \
                 product.",
        seen_by: &[Client],
        source: "Windows SDK, slerror.h; Microsoft ospp.vbs (its list of codes, KB 2870357)",
    },
    HresultInfo {
        code: Hresult(0x4004_F065),
        symbol: Some("SL_I_NONGENUINE_GRACE_PERIOD"),
        meaning: "running in the non-genuine grace period",
        cause: "The installation failed validation. It keeps working until the period ends. \
                Microsoft's support page prints the code as 0xC004F065.",
        remedy: "Install a genuine product key before the period ends, then activate and validate \
                 again.",
        seen_by: &[Client, Mak],
        source: "Windows SDK, slerror.h; Microsoft Learn, \"Troubleshoot Windows activation error \
                 codes\"",
    },
    HresultInfo {
        code: Hresult(0x4004_FC04),
        symbol: Some("SL_I_TIMEBASED_VALIDITY_PERIOD"),
        meaning: "running within a time-based validity period",
        cause: "The licence is good for a limited time, as that of an evaluation edition is.",
        remedy: "Note the end date (`slmgr /dlv`) and replace or extend the licence before it.",
        seen_by: &[Client, Mak],
        source: "Windows SDK, slerror.h",
    },
];
