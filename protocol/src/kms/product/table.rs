//! The catalogue itself: one row per edition, in groups that one host key covers.

use super::{Family, Grace, Product, guid};

/// What a client asks as unless told otherwise.
pub const DEFAULT: &Product = &DEFAULT_PRODUCT;

const DEFAULT_PRODUCT: Product = WINDOWS_10_11.product(
    Family::WindowsClient,
    "Windows 10/11 Enterprise",
    "7e5b90ff-6c8e-5775-9dc3-4538d0e15940",
    Some("NPPR9-FWDCX-D2C8J-H872K-2YT43"),
);

/// Every product of the lab, by family and then by age.
#[rustfmt::skip]
pub const PRODUCTS: &[Product] = &[
    WINDOWS_7.product(Family::WindowsClient, "Windows 7 Professional", "5ccf4d04-900f-57ac-9076-20a6fd7bdcb3", None),
    WINDOWS_7.product(Family::WindowsClient, "Windows 7 Enterprise", "3c796656-7d72-59d8-9bfe-a45d571ebf07", None),

    WINDOWS_8_1.product(Family::WindowsClient, "Windows 8.1 Pro", "c60ed79a-e833-5d92-91b0-21535fd0911a", None),
    WINDOWS_8_1.product(Family::WindowsClient, "Windows 8.1 Enterprise", "6d1506bf-71c2-53e6-888e-6fe07d2aa38b", None),

    WINDOWS_10_11.product(Family::WindowsClient, "Windows 10/11 Pro", "bea23a08-938e-50de-a3ab-e3d0bb08913a", Some("W269N-WFGWX-YVC9B-4J6C9-T83GX")),
    WINDOWS_10_11.product(Family::WindowsClient, "Windows 10/11 Pro N", "f5634492-e0ef-57cd-a2cf-631036d7cc61", Some("MH37W-N47XK-V7XM9-C7227-GCQG9")),
    WINDOWS_10_11.product(Family::WindowsClient, "Windows 10/11 Pro for Workstations", "013f6c21-b330-5fb5-9db9-7db5783acf71", Some("NRG8B-VKK3Q-CXVCJ-9G2XF-6Q84J")),
    WINDOWS_10_11.product(Family::WindowsClient, "Windows 10/11 Pro for Workstations N", "aaaf344d-0a90-5ff7-9a30-f875776ed4bf", Some("9FNHH-K3HBT-3W4TD-6383H-6XYWF")),
    WINDOWS_10_11.product(Family::WindowsClient, "Windows 10/11 Pro Education", "e4c76fc9-bd06-52be-8ba3-2828c551bfa5", Some("6TP4R-GNPTD-KYYHQ-7B7DP-J447Y")),
    WINDOWS_10_11.product(Family::WindowsClient, "Windows 10/11 Pro Education N", "4307a4b8-4969-5463-bae0-831b8ed9039c", Some("YVWGF-BXNMC-HTQYQ-CPQ99-66QFC")),
    WINDOWS_10_11.product(Family::WindowsClient, "Windows 10/11 Education", "dbbaf9d7-98b8-500d-bc22-ca5c3d64c7eb", Some("NW6C2-QMPVW-D7KKK-3GKT6-VCFB2")),
    WINDOWS_10_11.product(Family::WindowsClient, "Windows 10/11 Education N", "8f587870-eb18-5c3e-8b0e-15bf5784dc5b", Some("2WH4N-8QGBV-H22JP-CT43Q-MDWWJ")),
    DEFAULT_PRODUCT,
    WINDOWS_10_11.product(Family::WindowsClient, "Windows 10/11 Enterprise N", "8df81d07-f9b4-5f45-96c4-7b557edaea20", Some("DPH2V-TTNVB-4X9Q3-TJR4H-KHJW4")),
    WINDOWS_10_11.product(Family::WindowsClient, "Windows 10/11 Enterprise G", "61d4c10f-c4cb-5117-85e2-86f596e3f714", Some("YYVX9-NTFWV-6MDM3-9PT4T-4M68B")),
    WINDOWS_10_11.product(Family::WindowsClient, "Windows 10/11 Enterprise G N", "694ed5a5-6e6d-52e1-adb9-c31cc72d1600", Some("44RPN-FTY23-9VTTB-MP9BX-T84FV")),

    LTSB_2015.product(Family::WindowsClient, "Windows 10 Enterprise LTSB 2015", "6b42078d-b67d-5c48-bdbf-5f0904440fbc", Some("WNMTR-4C88C-JK8YV-HQ7T2-76DF9")),
    LTSB_2015.product(Family::WindowsClient, "Windows 10 Enterprise N LTSB 2015", "ce3d8c9c-69f0-52bd-b197-ab3a1c72348c", Some("2F77B-TNFGY-69QQF-B8YKP-D69TJ")),

    LTSB_2016.product(Family::WindowsClient, "Windows 10 Enterprise LTSB 2016", "4bbfeac7-0bb8-5207-b96a-51e2cf884b92", Some("DCPHK-NFMTC-H88MJ-PFHPY-QJ4BJ")),
    LTSB_2016.product(Family::WindowsClient, "Windows 10 Enterprise N LTSB 2016", "f2e4bdab-8c55-5aad-a70f-21bf75db3582", Some("QFFDN-GRT3P-VKWWX-X7T3R-8B639")),

    LTSC_2019.product(Family::WindowsClient, "Windows 10 Enterprise LTSC 2019", "1e26e9a2-f4d6-5d47-b31c-40a5ce83f51e", Some("M7XTQ-FN8P6-TTKYV-9D4CC-J462D")),
    LTSC_2019.product(Family::WindowsClient, "Windows 10 Enterprise N LTSC 2019", "eeada7a6-9845-5c03-9733-5ea8e998d6eb", Some("92NFX-8DJQP-P6BBQ-THF9C-7CG2H")),

    LTSC_2021.product(Family::WindowsClient, "Windows 10 Enterprise LTSC 2021", "ddc875f3-dd89-5240-a7c0-8cdb2ac07fe5", Some("M7XTQ-FN8P6-TTKYV-9D4CC-J462D")),
    LTSC_2021.product(Family::WindowsClient, "Windows 10 Enterprise N LTSC 2021", "8b38733b-345e-5546-86a1-1e6c80d0147f", Some("92NFX-8DJQP-P6BBQ-THF9C-7CG2H")),
    LTSC_2021.product(Family::WindowsClient, "Windows 10 IoT Enterprise LTSC 2021", "7c8fe061-9b91-5248-afd9-e33eaa2c8019", Some("KBN8V-HFGQ4-MGXVD-347P6-PDQGT")),

    LTSC_2024.product(Family::WindowsClient, "Windows 11 Enterprise LTSC 2024", "53fa80e3-59c7-568d-9ebb-20702c42933a", Some("M7XTQ-FN8P6-TTKYV-9D4CC-J462D")),
    LTSC_2024.product(Family::WindowsClient, "Windows 11 Enterprise N LTSC 2024", "2c7b380f-7756-55a2-9480-a946e663cb6f", Some("92NFX-8DJQP-P6BBQ-THF9C-7CG2H")),
    LTSC_2024.product(Family::WindowsClient, "Windows 11 IoT Enterprise LTSC 2024", "d50cac6d-34fe-5955-b1e3-fd772c3eebe0", Some("KBN8V-HFGQ4-MGXVD-347P6-PDQGT")),

    SERVER_2008_R2.product(Family::WindowsServer, "Windows Server 2008 R2 Standard", "8bd556aa-1938-56a8-9c75-6b0d64bff2af", None),
    SERVER_2008_R2.product(Family::WindowsServer, "Windows Server 2008 R2 Enterprise", "e2f3b5d8-7c1d-5fd1-a7ce-beed7a463421", None),
    SERVER_2008_R2.product(Family::WindowsServer, "Windows Server 2008 R2 Datacenter", "5aa59f04-6658-514f-9656-c5a5139890ef", None),

    SERVER_2012_R2.product(Family::WindowsServer, "Windows Server 2012 R2 Standard", "8c95ffef-68bc-5ef7-973c-9425da0607b4", None),
    SERVER_2012_R2.product(Family::WindowsServer, "Windows Server 2012 R2 Datacenter", "37a7c499-a5a2-54b6-8d87-c9b28498ffea", None),

    SERVER_2016.product(Family::WindowsServer, "Windows Server 2016 Standard", "d6926262-581e-5672-b7f4-0d1e2eeb7a02", Some("WC2BQ-8NRM3-FDDYY-2BFGV-KHKQY")),
    SERVER_2016.product(Family::WindowsServer, "Windows Server 2016 Datacenter", "285def1c-d12e-59fc-ad12-fde494a10588", Some("CB7KF-BWN84-R7R2Y-793K2-8XDDG")),
    SERVER_2016.product(Family::WindowsServer, "Windows Server 2016 Essentials", "7ff9fa6f-7f71-5156-8f4e-5dbea8997f7d", Some("JCKRF-N37P4-C2D82-9YXRT-4M63B")),

    SERVER_SAC.product(Family::WindowsServer, "Windows Server 1809 to 20H2 Standard", "e32a447e-0c14-5aa2-aaa5-ba038aea9625", Some("N2KJX-J94YW-TQVFB-DG9YT-724CC")),
    SERVER_SAC.product(Family::WindowsServer, "Windows Server 1809 to 20H2 Datacenter", "99305fa3-75c3-5f9c-84bc-2df4c06a0db8", Some("6NMRW-2C8FM-D24W7-TQWMY-CWH2D")),

    SERVER_2019.product(Family::WindowsServer, "Windows Server 2019 Standard", "1aad50f3-442b-5706-9184-08367aef1798", Some("N69G4-B89J2-4G8F4-WWYCC-J464C")),
    SERVER_2019.product(Family::WindowsServer, "Windows Server 2019 Datacenter", "2732446b-23ff-5c5b-a37b-850c38ee127a", Some("WMDGN-G9PQG-XVVXX-R3X43-63DFG")),
    SERVER_2019.product(Family::WindowsServer, "Windows Server 2019 Essentials", "69ec204b-d1a8-53bb-98f8-3c8ea8b47f5b", Some("WVDHN-86M7X-466P6-VHXV7-YY726")),

    SERVER_2022.product(Family::WindowsServer, "Windows Server 2022 Standard", "be13729a-d08e-592a-a329-ac748caf0414", Some("VDYBN-27WPP-V4HQT-9VMD4-VMK7H")),
    SERVER_2022.product(Family::WindowsServer, "Windows Server 2022 Datacenter", "2435bd5b-704e-585f-b5cc-085a5c022019", Some("WX4NM-KYWYW-QJJR4-XV3QB-6VM33")),
    SERVER_2022.product(Family::WindowsServer, "Windows Server 2022 Datacenter: Azure Edition", "1e730f92-d955-5e8f-9d3f-27de269faa32", Some("NTBV8-9K7Q8-V27C6-M2BTV-KHMXV")),

    SERVER_2025.product(Family::WindowsServer, "Windows Server 2025 Standard", "bcea9b66-8f39-5cbd-9cd0-96f16bd83535", Some("TVRH6-WHNXV-R9WG3-9XRFY-MY832")),
    SERVER_2025.product(Family::WindowsServer, "Windows Server 2025 Datacenter", "3dada3cc-a89a-56dc-a4a5-9809c4785987", Some("D764K-2NDRG-47T6Q-P8T8W-YP6DF")),
    SERVER_2025.product(Family::WindowsServer, "Windows Server 2025 Datacenter: Azure Edition", "3920c631-6910-546b-9f73-c48d741483ac", Some("XGN3F-F394H-FD2MY-PP6FD-8MCRC")),

    OFFICE_2013.product(Family::Office, "Office 2013 Professional Plus", "77cd7597-de04-5550-b121-ff8220fabeaa", None),
    OFFICE_2013.product(Family::Office, "Office 2013 Standard", "33d542d0-fbaa-5023-9122-749fc7d84be5", None),

    OFFICE_2016.product(Family::Office, "Office 2016 Professional Plus", "f9ec4251-166c-5951-b41d-52eff4cbfced", Some("XQNVK-8JYDB-WJ9W3-YJ8YR-WFG99")),
    OFFICE_2016.product(Family::Office, "Office 2016 Standard", "28a6a4e4-76bf-5c10-acda-0a9ae989062d", Some("JNRGM-WHDWX-FJJG3-K47QV-DRTFM")),

    OFFICE_2019.product(Family::Office, "Office 2019 Professional Plus", "c5a9f86f-1257-5a1d-9400-0277ff816b5d", Some("NMMKJ-6RK4F-KMJVX-8D9MJ-6MWKP")),
    OFFICE_2019.product(Family::Office, "Office 2019 Standard", "bdb1a232-f2ea-5fbc-90df-371137557599", Some("6NWWJ-YQWMR-QKGCB-6TMB3-9D9HK")),

    OFFICE_2021.product(Family::Office, "Office LTSC 2021 Professional Plus", "3175e9bd-6b2d-5cc0-aa5e-bbfa310780cb", Some("FXYTK-NJJ8C-GB6DW-3DYQT-6F7TH")),
    OFFICE_2021.product(Family::Office, "Office LTSC 2021 Standard", "bc541dd2-b413-5198-95af-c628b2ed0855", Some("KDX7X-BNVR8-TXXGX-4Q7Y8-78VT3")),
    OFFICE_2021.product(Family::Project, "Project 2021 Professional", "db645eba-5b6e-50ef-bfde-1b47cbb27c2a", Some("FTNWT-C6WBT-8HMGF-K9PRX-QV9H8")),
    OFFICE_2021.product(Family::Project, "Project 2021 Standard", "d26a17f0-9226-505d-9307-4a38561ac17a", Some("J2JDC-NJCYY-9RGQ4-YXWMH-T3D4T")),
    OFFICE_2021.product(Family::Visio, "Visio LTSC 2021 Professional", "9c5e6c26-2cb3-59a5-91e9-53b3f7cb3292", Some("KNH8D-FGHT4-T8RK3-CTDYJ-K2HT4")),
    OFFICE_2021.product(Family::Visio, "Visio LTSC 2021 Standard", "e1f87dcc-3038-51c7-9b3f-58d34bb60a2a", Some("MJVNY-BYWPY-CWV6J-2RKRT-4M8QG")),

    OFFICE_2024.product(Family::Office, "Office LTSC 2024 Professional Plus", "dbd69723-e2c9-5cc5-8d5f-32fe0512921e", None),
    OFFICE_2024.product(Family::Office, "Office LTSC 2024 Standard", "d5cf1916-b1bd-560d-b4b1-3d4a1bd83059", None),
    OFFICE_2024.product(Family::Project, "Project 2024 Professional", "1cbaf8bf-f4e2-560b-97b3-53a1cb152905", None),
    OFFICE_2024.product(Family::Project, "Project 2024 Standard", "f1efddf4-4cb2-5e17-ba4d-b63732e6a15f", None),
    OFFICE_2024.product(Family::Visio, "Visio LTSC 2024 Professional", "c695625d-95a9-5ca7-ba29-24b62e6a16a6", None),
    OFFICE_2024.product(Family::Visio, "Visio LTSC 2024 Standard", "02122e08-7c41-525c-98dc-747d77bcd3da", None),
];

/// What the editions of one host key have in common.
struct Group {
    name: &'static str,
    kms_id: &'static str,
    grace: Grace,
}

impl Group {
    const fn new(name: &'static str, kms_id: &'static str, grace: Grace) -> Self {
        Self { name, kms_id, grace }
    }

    const fn product(
        &self,
        family: Family,
        name: &'static str,
        sku_id: &str,
        gvlk: Option<&'static str>,
    ) -> Product {
        Product {
            name,
            family,
            group: self.name,
            n_policy: family.n_policy(),
            grace: self.grace,
            app_id: family.app_id(),
            sku_id: guid(sku_id),
            kms_id: guid(self.kms_id),
            gvlk,
        }
    }
}

const WINDOWS_7: Group =
    Group::new("Windows 7", "c3b2b0fb-9e44-55b9-a3d9-fd7a654003cf", Grace::WINDOWS_7);
const WINDOWS_8_1: Group =
    Group::new("Windows 8.1", "d2d0c68a-9ee2-542a-958b-115365824cdd", Grace::WINDOWS_8_1);
const WINDOWS_10_11: Group =
    Group::new("Windows 10/11", "0c64aa04-d518-54ac-85b5-66c552e8f236", Grace::WINDOWS_8_1);
const LTSB_2015: Group =
    Group::new("Windows 10 LTSB 2015", "17229de7-3a3c-56a9-a3cd-35214ee9acf2", Grace::WINDOWS_8_1);
const LTSB_2016: Group =
    Group::new("Windows 10 LTSB 2016", "2ca054c9-b3e4-57ea-b676-97e3a9a290c9", Grace::WINDOWS_8_1);
const LTSC_2019: Group =
    Group::new("Windows 10 LTSC 2019", "6a33c466-6f9f-5c36-9e37-e06bc45ca929", Grace::WINDOWS_8_1);
const LTSC_2021: Group =
    Group::new("Windows 10 LTSC 2021", "bd2e10ee-2176-54a0-874b-7fe5b1cb19ec", Grace::WINDOWS_8_1);
const LTSC_2024: Group =
    Group::new("Windows 11 LTSC 2024", "81a82b6e-0632-55ff-9bad-ce5190b12fad", Grace::WINDOWS_8_1);
const SERVER_2008_R2: Group =
    Group::new("Windows Server 2008 R2", "481073ba-4372-586e-ad9e-a2e34adc4975", Grace::WINDOWS_7);
const SERVER_2012_R2: Group = Group::new(
    "Windows Server 2012 R2",
    "5bfdaac8-dd84-5be8-af50-48066268b406",
    Grace::WINDOWS_8_1,
);
const SERVER_2016: Group =
    Group::new("Windows Server 2016", "7de91930-e4b8-5603-a0e6-b05aa315f0ab", Grace::WINDOWS_8_1);
const SERVER_SAC: Group = Group::new(
    "Windows Server 1809 to 20H2",
    "43dffcea-b5c1-5a59-8922-c44982617142",
    Grace::WINDOWS_8_1,
);
const SERVER_2019: Group =
    Group::new("Windows Server 2019", "fa9d2428-38ca-531f-a7e8-1fbf3a0fd51d", Grace::WINDOWS_8_1);
const SERVER_2022: Group =
    Group::new("Windows Server 2022", "6ad66ef6-94e4-5631-a388-3f1396315105", Grace::WINDOWS_8_1);
const SERVER_2025: Group =
    Group::new("Windows Server 2025", "15f175d4-f0e5-5818-93f4-9434009ddf4d", Grace::WINDOWS_8_1);
const OFFICE_2013: Group =
    Group::new("Office 2013", "5494201e-97b4-5bd7-a291-c98b1266caee", Grace::OFFICE);
const OFFICE_2016: Group =
    Group::new("Office 2016", "5b96cdd2-e5f4-56a6-9c24-b2eae3034373", Grace::OFFICE);
const OFFICE_2019: Group =
    Group::new("Office 2019", "600b0e0e-8c61-57b5-a96c-ca02b4355890", Grace::OFFICE);
const OFFICE_2021: Group =
    Group::new("Office LTSC 2021", "afb7be91-d453-57e6-9787-76038f49e65d", Grace::OFFICE);
const OFFICE_2024: Group =
    Group::new("Office LTSC 2024", "ba718c59-bbaa-5a0c-a2cc-5d39418436a1", Grace::OFFICE);
