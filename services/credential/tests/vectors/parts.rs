use credential::{
    code::expand,
    number::PassNumber,
    payload::{Kind, Payload},
    phone::Chain,
    signature::sig_structure,
    text::{Prefix, armour, unarmour},
};
use serde_json::{Value, json};

use crate::{
    form::{hex, number, unhex},
    world::{ES256, PASSES, issuer, pass, secret},
};

const SECRET: [u8; 16] = [0x5C; 16];

/// What codes are made of, each for itself.
pub(crate) fn made() -> Value {
    let number = PassNumber::new(0x0001_E240, [1, 2, 3, 4, 5]).unwrap();
    let chain = Chain::new(number, SECRET);
    let value = |slot| json!({ "slot": slot, "value": hex(&chain.value(slot).unwrap()) });
    let phone = issuer(PASSES).phone(&Payload { kind: Kind::Phone, ..pass(20) }, SECRET);
    let es256 = Payload { key_id: ES256, ..pass(20) };
    let base45 = ["", "00", "ff", "0000", "ffff", "4142", "48656c6c6f2121", "000102030405060708090a"]
        .map(|bytes| json!({ "bytes": bytes, "text": armour(Prefix::Pass, &unhex(&json!(bytes))) }));
    let numbers = ["0000000000000000", "01e2400102030405", "ffffffffffffffff"].map(|bytes| {
        let text = PassNumber::from_bytes(unhex(&json!(bytes)).try_into().unwrap()).to_string();
        // As people type it.
        let typed = format!("{}-{} {}", &text[..4], &text[4..9], &text[9..]).to_lowercase();
        json!({ "bytes": bytes, "text": text, "typed": typed.replace('0', "o").replace('1', "l") })
    });
    json!({
        "base45": base45,
        "numbers": numbers,
        "no_numbers": ["", "0", "00000000000001", "G0000000000000", "000000000000000", "0000000000000U", "zzzzzzzzzzzzzz", "０００００００００００００００"],
        "chain": {
            "number": hex(&number.to_bytes()),
            "secret": hex(&SECRET),
            "anchor": hex(&chain.anchor()),
            "values": ([1, 2, 140, 2879, 2880].map(value)),
        },
        "cose": [
            cose(PASSES, &issuer(PASSES).paper(&pass(20))),
            cose(ES256, &issuer(ES256).paper(&es256)),
            cose(PASSES, &phone.code(140).unwrap()),
        ],
    })
}

fn cose(key: u8, text: &str) -> Value {
    let public = secret(key).public();
    let bytes = unarmour(Prefix::Pass, text).unwrap();
    let content = &bytes[..if bytes.len() == 100 { 36 } else { 52 }];
    json!({
        "algorithm": format!("{:?}", public.algorithm()).to_lowercase(),
        "public": hex(&public.to_bytes()),
        "text": text,
        "sig_structure": hex(&sig_structure(public.algorithm(), content).unwrap()),
        "cose_sign1": hex(&expand(text, &public).unwrap()),
    })
}

pub(crate) fn answered(file: &Value) -> usize {
    let list = |name: &str| file[name].as_array().unwrap();
    for case in list("base45") {
        assert_eq!(unarmour(Prefix::Pass, case["text"].as_str().unwrap()), Ok(unhex(&case["bytes"])));
    }
    for case in list("numbers") {
        let bytes = unhex(&case["bytes"]);
        for text in [&case["text"], &case["typed"]] {
            let number: PassNumber = text.as_str().unwrap().parse().unwrap();
            assert_eq!(number.to_bytes().to_vec(), bytes);
        }
    }
    for text in list("no_numbers") {
        assert!(text.as_str().unwrap().parse::<PassNumber>().is_err(), "{text}");
    }
    let chain = &file["chain"];
    let made = Chain::new(
        PassNumber::from_bytes(unhex(&chain["number"]).try_into().unwrap()),
        unhex(&chain["secret"]).try_into().unwrap(),
    );
    assert_eq!(hex(&made.anchor()), chain["anchor"].as_str().unwrap());
    for value in chain["values"].as_array().unwrap() {
        assert_eq!(made.value(number(&value["slot"])).unwrap().to_vec(), unhex(&value["value"]));
    }
    list("base45").len() + list("numbers").len() + list("no_numbers").len() + list("cose").len()
}
