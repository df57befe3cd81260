// Requests to the service beside this page. It says when it is busy; then they wait and come again.

const ATTEMPTS = 8;
const LONGEST_WAIT = 20;
const TIMEOUT = 60_000;

let token = "";

export class Refusal extends Error {
  constructor(status, reason) {
    super(reason);
    this.status = status;
  }
}

export function useToken(text) {
  token = text;
}

// Sends a form or a value as JSON and gives the answer. `busy` is told the seconds of each wait.
export async function post(path, content, signal, busy) {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await send(path, content, signal);
    if (answer.ok) return answer.json();
    const reason = await reasonOf(answer);
    const passing = answer.status === 503 || answer.status === 429;
    if (!passing || attempt === ATTEMPTS) throw new Refusal(answer.status, reason);
    // A random part keeps pages that were refused together from coming back together.
    const asked = Number(answer.headers.get("Retry-After")) || 1;
    const seconds = Math.min(asked, LONGEST_WAIT) * (1 + Math.random() / 2);
    busy(seconds);
    await pause(seconds, signal);
  }
}

async function send(path, content, signal) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const form = content instanceof FormData;
  if (!form) headers["Content-Type"] = "application/json";
  try {
    return await fetch(path, {
      method: "POST",
      headers,
      body: form ? content : JSON.stringify(content),
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]),
    });
  } catch (error) {
    if (signal.aborted) throw error;
    const late = error.name === "TimeoutError";
    throw new Refusal(0, late ? "the service took too long" : "the service did not answer");
  }
}

async function reasonOf(answer) {
  try {
    const problem = await answer.json();
    return String(problem.detail ?? problem.title);
  } catch {
    return `the service answered ${answer.status}`;
  }
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 1000 * seconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
