#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
extern crate std;

use super::*;
use std::format;
use std::string::ToString;
use std::vec;
use std::vec::Vec;

#[test]
fn cmac_matches_rfc_4493_at_all_four_lengths() {
    let key = MacKey::new(&block("2b7e151628aed2a6abf7158809cf4f3c"));
    let message = hex(SP800_38A_PLAIN);
    for (len, tag) in [
        (0, "bb1d6929e95937287fa37d129b756746"),
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
        (64, "51f0bebf7e3b9d92fc49741779363cfe"),
    ] {
        assert_eq!(key.tag(&message[..len]), block(tag), "{len} bytes");
    }
}

#[test]
fn cbc_matches_sp_800_38a_and_rfc_3602_in_both_directions() {
    let up_from_a0: Vec<u8> = (0xa0..=0xdf).collect();
    let up_from_0: Vec<u8> = (0..=0x1f).collect();
    let cases: [(&str, &str, &[u8], &str); 5] = [
        (
            "2b7e151628aed2a6abf7158809cf4f3c",
            "000102030405060708090a0b0c0d0e0f",
            &hex(SP800_38A_PLAIN),
            "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2\
             73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
        ),
        (
            "06a9214036b8a15b512e03d534120006",
            "3dafba429d9eb430b422da802c9fac41",
            b"Single block msg",
            "e353779c1079aeb82708942dbe77181a",
        ),
        (
            "c286696d887c9aa0611bbb3e2025a45a",
            "562e17996d093d28ddb3ba695a2e6f58",
            &up_from_0,
            "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1",
        ),
        (
            "6c3ea0477630ce21a2ce334aa746c2cd",
            "c782dc4c098c66cbd9cd27d825682c81",
            b"This is a 48-byte message (exactly 3 AES blocks)",
            "d0a02b3836451753d493665d33f0e8862dea54cdb293abc7506939276772f8d5\
             021c19216bad525c8579695d83ba2684",
        ),
        (
            "56e47a38c5598974bc46903dba290349",
            "8ce82eefbea0da3c44699ed7db51b7d9",
            &up_from_a0,
            "c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e\
             35907aa632c3ffdf868bb7b29d3d46ad83ce9f9a102ee99d49a53e87f4c3da55",
        ),
    ];
    for (key, iv, plain, cipher) in cases {
        let key = CipherKey::new(&block(key));
        let mut buffer = plain.to_vec();
        buffer.resize(plain.len() + BLOCK_LEN, 0);
        assert_eq!(key.encrypt(&block(iv), &mut buffer, plain.len()), Ok(buffer.len()));
        // The published vectors have no padding: ours is one block more.
        assert_eq!(&buffer[..plain.len()], hex(cipher));
        assert_eq!(key.decrypt(&block(iv), &mut buffer).unwrap(), plain);
    }
}

#[test]
fn hmac_matches_all_of_rfc_4231() {
    let up_to_25: Vec<u8> = (1..=25).collect();
    let cases: [(&[u8], &[u8], &str); 7] = [
        (
            &[0x0b; 20],
            b"Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            &[0xaa; 20],
            &[0xdd; 50],
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        ),
        (
            &up_to_25,
            &[0xcd; 50],
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
        ),
        (&[0x0c; 20], b"Test With Truncation", "a3b6167473100ee06e0c796c2955552b"),
        (
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            &[0xaa; 131],
            b"This is a test using a larger than block-size key and a larger than block-size \
              data. The key needs to be hashed before being used by the HMAC algorithm.",
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ];
    for (key, message, tag) in cases {
        let tag = hex(tag);
        let state = Hmac::<Sha256>::new_from_slice(key).unwrap();
        let full: [u8; 32] = state.chain_update(message).finalize().into_bytes().into();
        assert_eq!(&full[..tag.len()], tag);
    }
}

#[test]
fn a_16_byte_hmac_key_is_padded_as_rfc_2104_says_and_the_tag_is_its_front_half() {
    let key = [7; BLOCK_LEN];
    let state = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    let full: [u8; 32] = state.chain_update(b"message").finalize().into_bytes().into();
    assert_eq!(HmacKey::new(&key).tag16(b"message"), full[..BLOCK_LEN]);
}

#[test]
fn sha_256_matches_nist_and_the_nonce_comes_first() {
    let abc: [u8; 32] = Sha256::digest(b"abc").into();
    assert_eq!(abc[..], hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    let joined: [u8; 32] = Sha256::digest([[1; 16], [2; 16]].concat()).into();
    assert_eq!(nonce_hash(&[1; 16], &[2; 16]), joined);
}

#[test]
fn every_padding_but_the_right_one_is_refused() {
    let key = CipherKey::new(&[9; BLOCK_LEN]);
    let iv = [3; BLOCK_LEN];
    for pad in 1..=16_u8 {
        let len = 32 - usize::from(pad);
        let mut buffer = [0x55; 32];
        assert_eq!(key.encrypt(&iv, &mut buffer, len), Ok(32));
        assert_eq!(key.decrypt(&iv, &mut buffer).map(<[u8]>::len), Some(len));
    }
    for last in [0, 17, 0xff] {
        let mut buffer = [last; 16];
        // Sealed as data, so that the whole last block can be chosen; the real padding is cut off.
        let mut sealed = [0; 32];
        sealed[..16].copy_from_slice(&buffer);
        assert_eq!(key.encrypt(&iv, &mut sealed, 16), Ok(32));
        buffer.copy_from_slice(&sealed[..16]);
        assert_eq!(key.decrypt(&iv, &mut buffer), None, "padding {last:#04x}");
    }
    assert_eq!(key.decrypt(&iv, &mut [0; 15]), None, "no whole block");
    assert_eq!(key.decrypt(&iv, &mut []), None, "nothing");
    assert!(key.encrypt(&iv, &mut [0; 16], 16).is_err(), "no room for the padding");
}

/// Expected values computed with Python's hmac module.
#[test]
fn version_keys_are_the_front_half_of_an_hmac_of_the_version_name() {
    for (label, derived) in [
        ("v4", "99cef6b67c846fe016475db41f58246c"),
        ("v5", "fd8f0c0714e10355cd219ebf64cd493f"),
        ("v6", "04620cfbd25fbfbe0ed7283b6c3da558"),
        ("fingerprint", "88fae58b2e613f1685962efaf9d3e27b"),
    ] {
        assert_eq!(derive(&LabKey::DEFAULT, label.as_bytes()), block(derived), "{label}");
    }
}

#[test]
fn no_key_in_use_is_the_lab_key_and_no_two_are_equal() {
    for lab in [LabKey::DEFAULT, LabKey([0; 16]), LabKey([0xff; 16])] {
        let mut keys = vec![lab.0, lab.fingerprint()];
        keys.extend(["v4", "v5", "v6"].map(|label| derive(&lab, label.as_bytes())));
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key));
        }
    }
}

/// A key taken from somewhere else and given as a lab key is still only the input of the derivation.
#[test]
fn a_cipher_key_given_as_lab_key_is_not_the_key_in_use() {
    let given = block("2b7e151628aed2a6abf7158809cf4f3c");
    let keys = LabKeys::new(&LabKey::from_bytes(given));
    assert_ne!(keys.mac_v4.tag(b"m"), MacKey::new(&given).tag(b"m"));
    assert_ne!(keys.hmac_v6.tag16(b"m"), HmacKey::new(&given).tag16(b"m"));
    for cipher in [&keys.cipher_v5, &keys.cipher_v6] {
        let (mut ours, mut theirs) = ([0; 16], [0; 16]);
        cipher.encrypt(&[0; 16], &mut ours, 1).unwrap();
        CipherKey::new(&given).encrypt(&[0; 16], &mut theirs, 1).unwrap();
        assert_ne!(ours, theirs);
    }
}

#[test]
fn a_lab_key_is_32_hexadecimal_digits() {
    let text = "6b6d732d6c61622d6e6f742d7265616c";
    assert_eq!(text.parse(), Ok(LabKey::DEFAULT));
    assert_eq!(text.to_ascii_uppercase().parse(), Ok(LabKey::DEFAULT));
    for (text, error) in [
        ("", ParseLabKeyError::Length(0)),
        (&text[1..], ParseLabKeyError::Length(31)),
        ("6b6d732d6c61622d6e6f742d7265616cc", ParseLabKeyError::Length(33)),
        ("0x6d732d6c61622d6e6f742d7265616c", ParseLabKeyError::NotHex(1)),
        ("6b6d732d6c61622d6e6f742d7265616\u{ff11}", ParseLabKeyError::NotHex(31)),
    ] {
        assert_eq!(text.parse::<LabKey>(), Err(error), "{text}");
    }
}

#[test]
fn no_form_of_output_shows_a_key() {
    let secret = LabKey::from_bytes(*b"SECRETSECRETSECR");
    for text in [format!("{secret:?}"), format!("{:?}", LabKeys::new(&secret))] {
        assert!(text.ends_with("(hidden)"), "{text}");
    }
    let mistyped = "SECRETSECRETSECRETSECRETSECRETSE".parse::<LabKey>().unwrap_err();
    assert!(!mistyped.to_string().contains("SECRET"), "{mistyped}");
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().map(|c| u8::try_from(c.to_digit(16).unwrap()).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn block(text: &str) -> Block {
    hex(text).try_into().unwrap()
}

const SP800_38A_PLAIN: &str = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
                               30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
