"""Writes a small convolutional network for Fashion-MNIST, trained here, and its 10,000 test images.

    build_fashion.py TARGET.onnx

Input `image`, FP32 [batch, 1, 28, 28] in 0 … 1; output `scores`, FP32 [batch, 10]. Beside it: `fashion.npz` with the
test images as `image`, their classes as `label`, and ten `slice`s by class. The images are those of Debian's package
dataset-fashion-mnist (MIT).
"""

import gzip
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

IMAGES = Path("/usr/share/datasets/fashion-mnist")
EPOCHS, BATCH = 3, 128


def read(name: str) -> np.ndarray:
    """Returns the numbers of an IDX file."""
    file = IMAGES / name
    if not file.exists():
        raise SystemExit(f"{file} is not there; apt-get install dataset-fashion-mnist")
    with gzip.open(file) as stream:
        body = stream.read()
    axes = body[3]
    shape = np.frombuffer(body, ">i4", axes, 4)
    return np.frombuffer(body, np.uint8, offset=4 + 4 * axes).reshape(shape)


def network() -> nn.Sequential:
    """Returns the network, untrained: 234,362 parameters."""
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(64 * 49, 68), nn.ReLU(), nn.Linear(68, 10)),
    )


def train(images: torch.Tensor, labels: torch.Tensor) -> nn.Sequential:
    """Returns the network after a few epochs."""
    torch.manual_seed(7)
    model = network()
    rounds = EPOCHS * (len(images) // BATCH + 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=rounds)
    for epoch in range(EPOCHS):
        for rows in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images[rows]), labels[rows])
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1} of {EPOCHS}: loss {loss.item():.3f}", flush=True)
    return model.eval()


def build(target: Path) -> None:
    """Trains, says how good it is, exports."""
    images = [
        torch.from_numpy(read(f"{part}-images-idx3-ubyte.gz")[:, None].astype(np.float32) / 255)
        for part in ("train", "t10k")
    ]
    labels = [torch.from_numpy(read(f"{part}-labels-idx1-ubyte.gz").astype(np.int64)) for part in ("train", "t10k")]
    model = train(images[0], labels[0])
    with torch.no_grad():
        right = torch.cat([model(rows).argmax(1) for rows in images[1].split(500)]) == labels[1]
        print(f"test accuracy {right.float().mean().item():.4f}")
        part = target.with_suffix(".part")
        torch.onnx.export(
            model,
            (images[1][:2],),
            str(part),
            input_names=["image"],
            output_names=["scores"],
            dynamic_axes={"image": {0: "batch"}, "scores": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )
    classes = labels[1].numpy()
    np.savez_compressed(
        target.with_name("fashion.npz"),
        image=images[1].numpy(),
        label=classes,
        slice=np.char.add("class ", classes.astype(str)),
    )
    part.rename(target)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
