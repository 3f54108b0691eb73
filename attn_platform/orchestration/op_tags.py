"""Where an op may run: the GPU queue, node and pool. Where there is no GPU the same op trains on the CPU."""

GPU_POOL = "gpu"

GPU_TAGS = {"accelerator": "gpu"}
"""Run tag, limited to one run at a time by dagster.yaml."""

GPU_OP_TAGS: dict[str, object] = {
    **GPU_TAGS,
    "dagster-celery/queue": "gpu",
    "dagster-k8s/config": {
        "container_config": {"resources": {"limits": {"nvidia.com/gpu": 1}}},
        "pod_spec_config": {
            "node_selector": {"accelerator": "gpu"},
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        },
    },
}
