import { randomUUID } from "node:crypto";
import { createClient } from "redis";

export class Scrip {
  static async connect(url) {
    const scrip = new Scrip();
    scrip.client = createClient({ url });
    scrip.results = scrip.client.duplicate();
    await Promise.all([scrip.client.connect(), scrip.results.connect()]);
    return scrip;
  }

  /** Send a request and return Scrip's answer. A refusal is an answer, too. */
  async ask(task, queue, request, { timeout = 30_000 } = {}) {
    const id = randomUUID();
    const channel = `celery-task-meta-${id}`;
    const body = Buffer.from(JSON.stringify([[], { request }, {}])).toString("base64");
    const message = {
      body,
      "content-type": "application/json",
      "content-encoding": "utf-8",
      headers: { id, task },
      properties: {
        correlation_id: id,
        delivery_tag: id,
        body_encoding: "base64",
        delivery_info: { exchange: "", routing_key: queue },
      },
    };
    let timer;
    const answered = new Promise((resolve, reject) => {
      this.results.subscribe(channel, resolve).catch(reject);
      timer = setTimeout(() => reject(new Error(`no answer to ${task} yet`)), timeout);
    });
    try {
      // Subscribed first, in the order of the connection, so that no result is missed.
      await this.results.ping();
      await this.client.lPush(queue, JSON.stringify(message));
      const { status, result } = JSON.parse(await answered);
      if (status !== "SUCCESS") throw new Error(`${task}: ${result.exc_type}: ${result.exc_message}`);
      return result;
    } finally {
      clearTimeout(timer);
      await this.results.unsubscribe(channel);
    }
  }

  async close() {
    await Promise.all([this.client.close(), this.results.close()]);
  }
}
