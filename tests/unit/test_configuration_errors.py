"""Whatever is wrong is refused, with file, path, value and what is allowed, without secrets."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mprism.configuration import (
    COLLECTOR_FILE,
    EXCHANGE_FOLDER,
    LOGGING_FILE,
    VARIABLES,
    ConfigurationError,
    Override,
    environment_overrides,
    load,
)

SPOT_FILE = EXCHANGE_FOLDER / "binance_spot.yaml"
URL_RULE = "allowed: nats:// or tls:// addresses, separated by commas"


def refusal(folder: Path, file: Path, content: str | bytes) -> str:
    """Why a file is refused, without the name of the file, which must come first."""
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigurationError) as caught:
        load(folder, [])
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    return text.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("natz: {}", "natz: unknown key; allowed: system, nats, http, defaults, exchanges"),
        (
            "system: {stop_timeout: 1}",
            "system.stop_timeout: unknown key; allowed: stop_timeout_seconds, channel_size",
        ),
        (
            "nats: {stream: {Name: X}}",
            "nats.stream.Name: unknown key; allowed: name, max_messages, max_bytes, "
            "max_age_seconds, duplicate_window_seconds",
        ),
        ("nats: {a.b: 1}", "nats.a.b: unknown key; allowed: url,"),
        ("logging: {level: INFO}", "logging: unknown key; allowed: system,"),
        ("nats: 5", "nats: 5: expected `object`, got `int`"),
        ("nats: [url]", "nats: ['url']: expected `object`, got `array`"),
        ("http: {port: 65536}", "http.port: 65536: expected `int` <= 65535"),
        ("http: {port: -1}", "http.port: -1: expected `int` >= 0"),
        ('http: {port: "80"}', "http.port: '80': expected `int`, got `str`"),
        ("http: {port: 80.5}", "http.port: 80.5: expected `int`, got `float`"),
        ("http: {port: yes}", "http.port: True: expected `int`, got `bool`"),
        ("http: {host: 1}", "http.host: 1: expected `str`, got `int`"),
        ("http: {grace_seconds: .inf}", "http.grace_seconds: inf: expected `float` <= 86400.0"),
        ("nats: {gather_seconds: .nan}", "nats.gather_seconds: nan: expected `float` >= 0.0"),
        ("nats: {gather_seconds: 1s}", "nats.gather_seconds: '1s': expected `float`, got `str`"),
        ("nats: {stream: {max_age_seconds: .inf}}", "nats.stream.max_age_seconds: inf: expected"),
        ("nats: {stream: {name: a.b}}", "nats.stream.name: 'a.b': allowed: 1 to 64 letters"),
        ("nats: {url: http://x}", f"nats.url: 'http://x': {URL_RULE}"),
        ("nats: {data_folder: 2026-11-22}", "nats.data_folder: datetime.date(2026, 11, 22): "),
        (
            "defaults: {orderbook: {mode: both}}",
            "defaults.orderbook.mode: 'both': allowed: updates, snapshots",
        ),
        (
            "defaults: {data_types: [trade, kline]}",
            "defaults.data_types.1: 'kline': allowed: orderbook, trade",
        ),
        ("defaults: {data_types: []}", "defaults.data_types: []: expected `array` of length >= 1"),
        ("defaults: {symbols: BTC}", "defaults.symbols: 'BTC': expected `array`, got `str`"),
        ("defaults: {symbols: [A, 1]}", "defaults.symbols.1: 1: expected `str`, got `int`"),
        ("exchanges: [okx]", "exchanges.0: 'okx': allowed: binance_spot, binance_derivatives"),
        (
            "exchanges: {binance_spot: {}}",
            "exchanges: {'binance_spot': {}}: expected `array`, got `object`",
        ),
        (
            "exchanges: []",
            "exchanges: empty; allowed: any of binance_spot, binance_derivatives, okx_spot, "
            "okx_derivatives, deribit_derivatives",
        ),
        ("[]", "list; allowed: a mapping of keys"),
        ("nats", "str; allowed: a mapping of keys"),
        ("7", "int; allowed: a mapping of keys"),
        ("http: {port: 1, port: 2}", "line 1, column 17: key 'port' is given twice"),
        ("http:\n  port: 1\nhttp: {}", "line 3, column 1: key 'http' is given twice"),
        ("1: 2", "line 1, column 1: key 1 is not text"),
        ("on: 2", "line 1, column 1: key True is not text"),
        ("nats: {[a]: 1}", "line 1, column 8: key ['a'] is not text"),
        # A template that nobody filled in.
        ("nats: {url: {{ URL }}}", "line 1, column 14: key {'URL': None} is not text"),
        ("nats: {", "line 1, column 8: "),
        ("nats:\n\t- x", "line 2, column 1: found character '\\t' that cannot start any token"),
        ("a: 1\n---\nb: 1", "line 2, column 1: but found another document"),
        ("a: !!python/name:os.system x", "line 1, column 4: could not determine a constructor"),
        ("nats: *x", "line 1, column 7: found undefined alias"),
        ("[" * 500, "nested too deeply"),
        ("nats: &a {stream: *a}", "nested too deeply"),
        (b"nats: \x00", "unacceptable character #x0000"),
        (b"\xff\xfe\xff", "'utf-8' codec can't decode byte 0xff"),
    ],
)
def test_the_collectors_file_is_refused(tmp_path: Path, content: str | bytes, problem: str) -> None:
    assert refusal(tmp_path, COLLECTOR_FILE, content).startswith(problem)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("symbol: [BTC-USDT]", "symbol: unknown key; allowed: symbols, data_types,"),
        ("symbols: []", "symbols: []: expected `array` of length >= 1"),
        ("websocket_url: ftp://x", "websocket_url: 'ftp://x': allowed: a ws:// or wss://"),
        ("rest_url: ws://x", "rest_url: 'ws://x': allowed: an http:// or https://"),
        ("rest_weight_share: 1.5", "rest_weight_share: 1.5: expected `float` <= 1.0"),
        ("rest_snapshot_reserve: 1", "rest_snapshot_reserve: 1: expected `float` < 1.0"),
        ("polling: {ratio_period: 7m}", "polling.ratio_period: '7m': allowed: 5m, 15m, 30m, 1h"),
        ("polling: {ratio_seconds: 0}", "polling.ratio_seconds: 0: expected `float` > 0.0"),
        ("polling: {seconds: 1}", "polling.seconds: unknown key; allowed: open_interest_seconds,"),
        ("trades: some", "trades: 'some': allowed: all, aggregated"),
        ("liquidations: none", "liquidations: 'none': allowed: symbols, all"),
        ("volatility_indexes: []", "volatility_indexes: []: expected `array` of length >= 1"),
        ("orderbook: {depth: 0}", "orderbook.depth: 0: expected `int` >= 1"),
        ("orderbook: {depth: 401, rest_levels: 400}", "orderbook.depth: 401 levels cannot be"),
        ("orderbook: 400", "orderbook: 400: expected `object`, got `int`"),
        ("backoff: {cap_seconds: 0}", "backoff.cap_seconds: 0: expected `float` > 0.0"),
        ("symbols: [BTC-USDT", "line 1, column 19: expected ',' or ']'"),
    ],
)
def test_an_exchanges_file_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    assert refusal(tmp_path, SPOT_FILE, content).startswith(problem)


@pytest.mark.parametrize("name", ["collector/colector.yaml", "logging/log.yml", "x.yaml"])
def test_a_file_that_nobody_reads_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("http: {port: 1}")
    with pytest.raises(ConfigurationError, match="not a file of the configuration; allowed: coll"):
        load(tmp_path, [])


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("//[::1", "Invalid IPv6 URL"),
        ("//a..b:1", "the host is no name that can be looked up"),
        ("//h:x", "Port could not be cast to integer value"),
        ("//127.0.0.1:99999", "Port out of range 0-65535"),
        ("//h:0", "port 0; allowed: 1 to 65535"),
        ("//:80", "no host"),
    ],
)
def test_an_address_that_cannot_be_is_refused(tmp_path: Path, url: str, problem: str) -> None:
    for key, scheme in (("websocket_url", "wss:"), ("rest_url", "http:")):
        text = refusal(tmp_path, SPOT_FILE, f'{key}: "{scheme}{url}"')
        assert text == f"{key}: '{scheme}{url}': {problem}"
    (tmp_path / SPOT_FILE).unlink()
    with pytest.raises(ConfigurationError, match=re.escape(problem)):
        load(tmp_path, environment_overrides({"NATS_URL": f"nats:{url}"}))


def test_a_file_of_an_exchange_that_is_not_collected_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / COLLECTOR_FILE).parent.mkdir(parents=True)
    (tmp_path / COLLECTOR_FILE).write_text("exchanges: [binance_derivatives]")
    assert refusal(tmp_path, SPOT_FILE, "symbols: 1").startswith("symbols: 1: expected `array`")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("level: info", "level: 'info': allowed: DEBUG, INFO, WARNING, ERROR"),
        ("format: xml", "format: 'xml': allowed: console, json"),
        ("handlers: []", "handlers: unknown key; allowed: level, format"),
        ("- level", "list; allowed: a mapping of keys"),
    ],
)
def test_the_logging_file_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    assert refusal(tmp_path, LOGGING_FILE, content) == problem


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / COLLECTOR_FILE).mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="Is a directory"):
        load(tmp_path, [])


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("NATS_URL", "localhost:4222", f"'localhost:4222': {URL_RULE}"),
        ("NATS_URL", "nats://a,,nats://b", f"'nats://a,,nats://b': {URL_RULE}"),
        ("NATS_STREAM", "a b", "'a b': allowed: 1 to 64 letters, digits, - and _"),
        ("LOG_LEVEL", "debug", "'debug': allowed: DEBUG, INFO, WARNING, ERROR"),
        ("HEALTH_CHECK_PORT", "http", "'http': expected `int`, got `str`"),
        ("HEALTH_CHECK_PORT", "65536", "'65536': expected `int` <= 65535"),
        ("METRICS_PORT", "-1", "'-1': expected `int` >= 0"),
        ("METRICS_PORT", "9093.5", "'9093.5': expected `int`, got `str`"),
        ("METRICS_PORT", " ", "' ': expected `int`, got `str`"),
    ],
)
def test_a_variable_is_refused(tmp_path: Path, name: str, value: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, environment_overrides({name: value}))
    assert str(caught.value) == f"environment variable {name}: {problem}"


def error_of(folder: Path, overrides: list[Override]) -> ConfigurationError | None:
    try:
        load(folder, overrides)
    except ConfigurationError as error:
        return error
    return None


SECRET = "hunter2"
LEAKS = [
    'nats: {{url: "{}"}}',
    'nats: {{url: "x{}"}}',
    'nats: {{url: ["{}"]}}',
    'nats: {{url: {{a: "{}"}}}}',
    'nats: {{host: 1, url: "{}"}}',
    'nats: {{url: "{}", url: 1}}',
    'nats: {{"{}": 1}}',
    'nats: {{1: 1, url: "{}"}}',
    'nats: {{"{}": 1, "{}": 2}}',
    'nats: ["{}"]',
    'nats: "{}"',
    'nats: {{url: "{}"',
    'nats: {{url: "{}\n',
    "nats:\n\turl: {}",
    'nats: {{url: !x "{}"}}',
    'http: {{port: "{}"}}',
]
ADDRESSES = [
    f"nats://user:{SECRET}@host",
    f"nats://{SECRET}@host",
    f"http://user:{SECRET}@host",
    f"user:{SECRET}@host",
    f"nats:/user:{SECRET}@host",
    f"nats://user:pass/{SECRET}@host",
    f"nats://user:{SECRET}@word@host",
    f"nats://user:pass {SECRET}@host",
    f"nats://user:{SECRET},x@host",
    f"nats://a,,user:{SECRET}@host",
]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("template", LEAKS)
def test_no_file_leaks_credentials(tmp_path: Path, template: str, address: str) -> None:
    path = tmp_path / COLLECTOR_FILE
    path.parent.mkdir()
    path.write_text(template.format(*[address] * template.count("{}")))
    error = error_of(tmp_path, [])
    if error is None:
        assert template == LEAKS[0]
    else:
        assert SECRET not in str(error)
        # A traceback would show the cause.
        assert error.__cause__ is None
        assert error.__suppress_context__ or error.__context__ is None


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("name", list(VARIABLES))
def test_no_variable_leaks_credentials(tmp_path: Path, name: str, address: str) -> None:
    error = error_of(tmp_path, environment_overrides({name: address}))
    if error is None:
        assert name in {"NATS_URL", "HTTP_HOST"}
    else:
        assert SECRET not in str(error)
        assert error.__suppress_context__


@given(st.binary(max_size=40) | st.text(alphabet="{}[]:,-'\"&*!|>#\n\t nat:", max_size=30))
def test_any_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes | str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    path = folder / LOGGING_FILE
    path.parent.mkdir()
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    error = error_of(folder, [])
    assert error is None or str(error).startswith(f"{path}: ")
