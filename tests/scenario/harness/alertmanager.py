"""A real Prometheus Alertmanager that posts to one webhook."""
import http.client
import json
import os
import shutil

from .process import Part
from .wait import free_port


class Alertmanager(Part):
    name = "alertmanager"

    def __init__(self, url, token=None, resolved=True):
        """Every alert goes to `url`, with `token` as bearer, at once."""
        super().__init__()
        self.port = free_port()
        hook = {"url": url, "send_resolved": resolved}
        if token:
            hook["http_config"] = {"authorization": {"credentials": token}}
        config = {
            "route": {"receiver": "hook", "group_by": ["..."], "group_wait": "0s",
                      "group_interval": "1s", "repeat_interval": "1h"},
            "receivers": [{"name": "hook", "webhook_configs": [hook]}],
        }
        self.config = os.path.join(self.dir, "alertmanager.yml")
        with open(self.config, "w", encoding="utf-8") as f:
            json.dump(config, f)

    def argv(self):
        return [shutil.which("prometheus-alertmanager") or "alertmanager",
                f"--config.file={self.config}", f"--storage.path={self.dir}/data",
                f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address="]

    def request(self, method, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            c.request(method, path, body and json.dumps(body),
                      {"Content-Type": "application/json"})
            answer = c.getresponse()
            return answer.status, answer.read()
        finally:
            c.close()

    def ready(self):
        return self.request("GET", "/-/ready")[0] == 200

    def alert(self, labels, annotations=None, starts=None, ends=None):
        """Fire one alert; with `ends` in the past it is resolved."""
        row = {"labels": labels, "annotations": annotations or {}}
        row.update({k: v for k, v in (("startsAt", starts), ("endsAt", ends)) if v})
        status, text = self.request("POST", "/api/v2/alerts", [row])
        assert status == 200, f"alertmanager refused the alert: {status} {text!r}"
