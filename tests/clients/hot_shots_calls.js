// Every method of the `hot-shots` client (npm), over one transport: the expected series are in
// hot_shots*.txt.
//
//     hot_shots_calls.js TRANSPORT ADDRESS MODE
//
// TRANSPORT is udp, tcp, uds or stream (of a Unix socket). MODE is plain (a packet a call), buffered (with the fields
// of DogStatsD and the client's own telemetry), aggregated (sums are made in the client) or telegraf (tags as InfluxDB
// writes them).
'use strict';

const assert = require('node:assert');
const net = require('node:net');
const StatsD = require('hot-shots');

const [transport, address, mode] = process.argv.slice(2);

// The client drops samples at random; here it drops every second one, so that each run sends the same.
let draws = 0;
Math.random = () => (draws++ % 2 ? 0.75 : 0.25);

const PAST = new Date(1656581400000);

// The client flushes only on demand, so that each run sends the same.
const NEVER = 3600000;

const MODES = {
  plain: {},
  buffered: {
    datadog: true,
    containerID: 'ci-1',
    cardinality: 'low',
    includeDatadogTelemetry: true,
    telemetryFlushInterval: NEVER,
    maxBufferSize: 512,
    bufferFlushInterval: NEVER,
  },
  aggregated: { aggregation: { flushInterval: NEVER } },
  telegraf: { telegraf: true },
};

function connect() {
  const options = { prefix: 'app', globalTags: { region: 'eu' }, protocol: transport, ...MODES[mode] };
  if (transport === 'uds') {
    options.path = address;
    if (options.maxBufferSize === undefined) options.maxBufferSize = 0; // without this the client buffers over this transport
  } else if (transport === 'stream') {
    options.stream = net.connect(address);
  } else {
    const end = address.lastIndexOf(':');
    options.host = address.slice(0, end);
    options.port = Number(address.slice(end + 1));
  }
  return new StatsD(options);
}

// Makes a call and waits for its callback, which comes when the packet is sent.
const sent = (call) => new Promise((resolve, reject) => call((error) => (error ? reject(error) : resolve())));

async function count(client) {
  await sent((done) => client.increment('hits', done));
  await sent((done) => client.increment('hits', 41, done));
  await sent((done) => client.increment('bytes', 2.5, 1, [], done));
  await sent((done) => client.increment('tagged.hits', 3, { url: 'http://x:80/a', region: 'us' }, done));
  await sent((done) => client.increment('tagged.hits', ['prod', 'queue:fast'], done));
  await sent((done) => client.increment(['one', 'two'], 2, done));
  await sent((done) => client.increment('late.hits', 4, { timestamp: PAST, tags: ['queue:fast'] }, done));
  for (let call = 0; call < 10; call++) await sent((done) => client.increment('sampled.hits', 1, 0.5, done));
  await sent((done) => client.increment('jobs.updown', 5, done));
  await sent((done) => client.decrement('jobs.updown', done));
  await sent((done) => client.decrement('jobs.updown', 2, done));
}

async function measure(client) {
  await sent((done) => client.gauge('level', 7, done));
  await sent((done) => client.gauge('level', 9.5, done));
  await sent((done) => client.gauge('moved', 10, done));
  await sent((done) => client.gaugeDelta('moved', 5, done));
  await sent((done) => client.gaugeDelta('moved', -3, done));
  await sent((done) => client.histogram('size', 4, done));
  await sent((done) => client.histogram('size', 0.25, ['queue:fast'], done));
  await sent((done) => client.distribution('weight', 6, done));
  await sent((done) => client.timing('took', 320, done));
  await sent((done) => client.timing('took', 2000, done));
  await sent((done) => client.timing('since', new Date(), done));
  for (let call = 0; call < 6; call++) await sent((done) => client.timing('sampled.took', 6000, 0.5, done));
  for (const user of ['ann', 'bob', 'ann', 7]) await sent((done) => client.set('users', user, done));
  for (const user of ['a', 'b']) await sent((done) => client.unique('uniques', user, done));
}

async function time(client) {
  await sent((done) => {
    const called = client.timer((a, b) => a + b, 'call', 1, ['queue:fast'], done);
    assert.strictEqual(called(1, 2), 3);
  });
  await sent((done) => {
    const called = client.asyncTimer(
      async (a, context) => {
        context.addTags({ outcome: 'ok' });
        return a;
      },
      'async.call', 1, ['queue:fast'], done);
    called(1).then((value) => assert.strictEqual(value, 1));
  });
  await sent((done) => {
    const called = client.asyncDistTimer(async () => { throw new Error('on purpose'); }, 'async.share', 1, [], done);
    called().catch((error) => assert.strictEqual(error.message, 'on purpose'));
  });
}

async function report(client) {
  const { OK, WARNING } = client.CHECKS;
  const everything = { date_happened: PAST, hostname: 'web1', message: 'slow: m: 1|c', cardinality: 'none' };
  const calls = [
    (done) => client.check('db.up', OK, {}, [], done),
    (done) => client.check('cache.up', WARNING, everything, ['shard:1'], done),
    (done) => client.event('Deployed', 'All is well.', {}, [], done),
    (done) => client.event('Down', 'a|b\nc', {
      date_happened: PAST,
      hostname: 'web1',
      aggregation_key: 'k',
      priority: 'low',
      source_type_name: 's',
      alert_type: 'error',
      cardinality: 'high',
    }, ['shard:1'], done),
  ];
  for (const call of calls) {
    if (mode === 'telegraf') await assert.rejects(sent(call), /Not supported by Telegraf/);
    else await sent(call);
  }
}

async function main() {
  const client = connect();
  for (const calls of [count, measure, time, report]) await calls(client);
  const child = client.childClient({ prefix: 'child', suffix: 'end', globalTags: { region: 'us', tier: 'web' } });
  await sent((done) => child.increment('hits', 2, done));
  await sent((done) => client.flush(done));
  await sent((done) => client.close(done));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
