//! A judge of what TKMS makes: the published TFHE-rs reads its files, computes
//! with its keys, and makes keys and ciphertexts of its own for it to read.
//! README.md says how to call it.

mod arguments;
mod clear;
mod compute;
mod decrypt;
mod files;
mod generate;
mod operations;
mod parameters;
mod read;
mod types;

use std::error::Error;
use std::process::ExitCode;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "\
judge read --parameters SET FILE...
judge generate --parameters SET --seed TEXT --out DIR
judge crs --parameters SET --bits N --out FILE
judge compute --server-key FILE [--public-key FILE] [--crs FILE] [--types T,...] --seed TEXT --out DIR
judge decrypt --client-key FILE [--server-key FILE] FILE...";

fn run() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let arguments = arguments::Arguments::parse(arguments)?;
    match command.as_str() {
        "read" => read::run(&arguments),
        "generate" => generate::run(&arguments),
        "crs" => generate::crs(&arguments),
        "compute" => compute::run(&arguments),
        "decrypt" => decrypt::run(&arguments),
        _ => Err(format!("no command {command:?}\n{USAGE}").into()),
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}
