"""Checks deploy/kubernetes: python tests/packages/kubernetes.py PROGRAM

Every manifest fits the schema of each version of Kubernetes that knows native sidecars; what one names, another has; and
the program takes every config.
"""

import copy
import pathlib
import subprocess
import sys
import tempfile
import tomllib

import kubernetes_validate
import yaml

FOLDER = pathlib.Path(__file__).parents[2] / "deploy/kubernetes"
# Of Kubernetes 1: the first with native sidecars by default.
FIRST_MINOR = 29
# In bytes, as Kubernetes and the config write them.
SIZES = {"Mi": 2**20, "Gi": 2**30, "MiB": 2**20, "GiB": 2**30}


def size(text):
    number = text.rstrip("GMiB")
    return int(number) * SIZES[text.removeprefix(number)]


def of_kind(manifests, kind):
    found = [manifest for manifest in manifests if manifest["kind"] == kind]
    assert found, f"no {kind}"
    return found


def fits(manifest, version):
    kubernetes_validate.validate(copy.deepcopy(manifest), version, strict=True)


def schemas(manifests):
    newest = int(kubernetes_validate.latest_version().split(".")[1])
    versions = [f"1.{minor}" for minor in range(FIRST_MINOR, newest + 1)]
    assert len(versions) >= 3, versions
    core = [manifest for manifest in manifests if manifest["kind"] != "PodMonitor"]
    for version in versions:
        for manifest in core:
            fits(manifest, version)
    # The schema does find a fault.
    wrong = copy.deepcopy(of_kind(manifests, "Deployment")[0])
    wrong["spec"]["template"]["spec"]["containers"][0]["restartPolicies"] = "Always"
    try:
        fits(wrong, versions[-1])
    except kubernetes_validate.ValidationError:
        pass
    else:
        raise AssertionError("the schema takes a field that does not exist")
    print(f"{len(core)} manifests fit the schemas of Kubernetes {versions[0]} to {versions[-1]}")


def the_sidecar(pod):
    containers = pod["containers"] + pod.get("initContainers", [])
    return next(container for container in containers if container["image"].startswith("statsidecar:"))


def pods_agree(manifests, program):
    configs = {manifest["metadata"]["name"]: manifest["data"] for manifest in of_kind(manifests, "ConfigMap")}
    deployments = of_kind(manifests, "Deployment")
    assert len(deployments) == 2
    for deployment in deployments:
        name, spec = deployment["metadata"]["name"], deployment["spec"]
        labels, pod = spec["template"]["metadata"]["labels"], spec["template"]["spec"]
        assert spec["selector"]["matchLabels"].items() <= labels.items(), name
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for container in pod["containers"] + pod.get("initContainers", []):
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes.keys(), name
            assert "memory" in container["resources"]["limits"], name
        sidecar = the_sidecar(pod)
        mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in sidecar["volumeMounts"]}
        text = configs[mounts["/etc/statsidecar"]["configMap"]["name"]]["config.toml"]
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(text)
            file.flush()
            verdict = subprocess.run([program, "check", file.name], capture_output=True, text=True)
        assert verdict.returncode == 0, f"{name}: {verdict.stdout}{verdict.stderr}"
        config_agrees(name, tomllib.loads(text), sidecar, mounts)
        probes(name, sidecar)
    return deployments


def config_agrees(name, config, sidecar, mounts):
    """What the config names is mounted, and what it may use is granted."""
    ports = {(port["protocol"], port["containerPort"]) for port in sidecar["ports"]}
    listeners = config["intake"]["listen"]
    for listener in listeners:
        scheme, address = listener.split("://")
        if scheme in ("udp", "tcp"):
            assert (scheme.upper(), int(address.rsplit(":")[-1])) in ports, (name, listener)
        else:
            volume = mounts[str(pathlib.PurePath(address).parent)]
            # Not in memory: a socket file has no content.
            assert volume["emptyDir"] == {}, (name, listener)
    assert config["http"]["listen"].startswith("0.0.0.0:"), name
    assert ("TCP", int(config["http"]["listen"].rsplit(":")[-1])) in ports, name
    state = config["state"]
    parents = {pathlib.PurePath(folder).parent for folder in (state["path"], state["arena"])}
    assert len(parents) == 1 and state["path"] != state["arena"], name
    memory = mounts[str(parents.pop())]["emptyDir"]
    assert memory["medium"] == "Memory", name
    limit, series = size(sidecar["resources"]["limits"]["memory"]), size(config["limits"]["memory"])
    assert limit >= 2 * series + size(memory["sizeLimit"]), f"{name}: the limit of memory is too low"


def probes(name, sidecar):
    ports = {port["name"] for port in sidecar["ports"]}
    assert sidecar["startupProbe"]["httpGet"]["path"] == "/-/ready", name
    for probe in ("startupProbe", "livenessProbe"):
        assert sidecar[probe]["httpGet"]["port"] in ports, (name, probe)


def monitor_finds(manifests, deployments):
    (monitor,) = of_kind(manifests, "PodMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"]
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    for deployment in deployments:
        template = deployment["spec"]["template"]
        assert wanted.items() <= template["metadata"]["labels"].items(), deployment["metadata"]["name"]
        assert endpoint["port"] in {port["name"] for port in the_sidecar(template["spec"])["ports"]}
    assert endpoint["path"] == "/metrics"


def service_reaches(manifests, deployments):
    (service,) = of_kind(manifests, "Service")
    selected = [
        deployment["spec"]["template"]
        for deployment in deployments
        if service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    ]
    (template,) = selected
    ports = {(port["name"], port["protocol"]) for port in the_sidecar(template["spec"])["ports"]}
    for port in service["spec"]["ports"]:
        assert (port["targetPort"], port["protocol"]) in ports, port
    # Of its name Kubernetes makes NAME_PORT in every pod.
    assert service["metadata"]["name"] != "statsd"


def main():
    program = sys.argv[1]
    manifests = [
        manifest for path in sorted(FOLDER.glob("*.yaml")) for manifest in yaml.safe_load_all(path.read_text())
    ]
    schemas(manifests)
    deployments = pods_agree(manifests, program)
    native = [
        container
        for deployment in deployments
        for container in deployment["spec"]["template"]["spec"].get("initContainers", [])
    ]
    assert [container["restartPolicy"] for container in native] == ["Always"], "no native sidecar"
    monitor_finds(manifests, deployments)
    service_reaches(manifests, deployments)
    print("the manifests agree with each other and with their configs")


main()
