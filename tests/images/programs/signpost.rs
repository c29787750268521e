//! Prints which bank boots next, from a priority list in the arguments: `signpost a=2 b=1`.
use std::collections::BTreeMap;
use std::env;
use std::process::ExitCode;

fn priorities(words: impl Iterator<Item = String>) -> Result<BTreeMap<String, u8>, String> {
    let mut banks = BTreeMap::new();
    for word in words {
        let (bank, value) = word.split_once('=').ok_or_else(|| format!("no '=' in {word}"))?;
        let value = value.parse::<u8>().map_err(|error| format!("{bank}: {error}"))?;
        banks.insert(bank.to_owned(), value);
    }
    Ok(banks)
}

fn main() -> ExitCode {
    match priorities(env::args().skip(1)) {
        Err(error) => {
            eprintln!("signpost: {error}");
            ExitCode::FAILURE
        }
        Ok(banks) => {
            let next = banks.iter().max_by_key(|(_, value)| **value);
            println!("next boot: {}", next.map(|(bank, _)| bank.as_str()).expect("no bank was given"));
            ExitCode::SUCCESS
        }
    }
}
