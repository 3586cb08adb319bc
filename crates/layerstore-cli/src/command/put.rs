use layerstore::{Key, Layerstore, NewValue, Value, WriteOptions};

use super::get;
use crate::args::Put;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json;
use crate::out::{Form, say};

/// Puts one record.
pub(super) async fn run(store: &Layerstore, form: Form, args: &Put) -> Result<Exit, Failure> {
    let (key, value) = record(args)?;
    let mut options = WriteOptions::new();
    if let Some(ttl) = args.ttl {
        options = options.ttl(ttl);
    }
    let put = store
        .records(&args.map)?
        .set(&key, NewValue::from(value), &options)
        .await?;
    let version = put.version.unwrap_or_default().to_string();
    say(&match form {
        Form::Text => format!("put {:?} into map {:?}", args.key, args.map),
        Form::Json => serde_json::json!({ "map": args.map, "key": args.key, "version": version }).to_string(),
    })?;
    Ok(Exit::Done)
}

/// Makes key and value of the arguments.
pub(super) fn record(args: &Put) -> Result<(Key, Value), Failure> {
    let key = get::key(&args.key)?;
    let value = json::read(&args.value).map_err(|fault| Failure::usage(format!("the value: {fault}")))?;
    Ok((key, value))
}
