// Requests to try, made from the signature of a model.

const TEXTS = ["这家店很好，下次还来", "It broke on the second day."];
// one red pixel as PNG
const PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";
const LARGEST = 512; // elements of an input that are still worth showing

const NUMPY = {
  BOOL: "bool", UINT8: "uint8", UINT16: "uint16", UINT32: "uint32", UINT64: "uint64", INT8: "int8", INT16: "int16",
  INT32: "int32", INT64: "int64", FP16: "float16", FP32: "float32", FP64: "float64", BYTES: "object",
};

function isText(model) {
  return model.task.startsWith("text-");
}

function isImage(model) {
  return model.task === "image-classification";
}

function shapeOf(model, tensor) {
  // the batch has one row (or one a text), any other free axis has four elements
  return tensor.shape.map((size, axis) => (size !== -1 ? size : axis > 0 ? 4 : isText(model) ? TEXTS.length : 1));
}

function size(shape) {
  return shape.reduce((product, axis) => product * axis, 1);
}

function valueAt(datatype, index) {
  if (datatype === "BYTES") return TEXTS[index % TEXTS.length];
  if (datatype === "BOOL") return index % 2 === 0;
  return datatype.startsWith("FP") ? ((index % 9) + 1) / 10 : (index % 9) + 1;
}

function flat(tensor, shape) {
  return Array.from({ length: size(shape) }, (_, index) => valueAt(tensor.datatype, index));
}

function nested(values, shape) {
  if (shape.length === 0) return values[0];
  if (shape.length === 1) return values;
  const step = size(shape.slice(1));
  return Array.from({ length: shape[0] }, (_, row) => nested(values.slice(row * step, (row + 1) * step), shape.slice(1)));
}

function oipInputs(model) {
  return model.inputs.map((tensor) => {
    const shape = shapeOf(model, tensor);
    return { name: tensor.name, datatype: tensor.datatype, shape, data: flat(tensor, shape) };
  });
}

function instances(model) {
  const batched = [...model.inputs, ...model.outputs].every((tensor) => tensor.shape[0] === -1);
  const columns = model.inputs.map((tensor) => {
    const shape = shapeOf(model, tensor);
    const whole = nested(flat(tensor, shape), shape);
    return batched ? whole : [whole];
  });
  if (columns.length === 1) return columns[0];
  return columns[0].map((_, row) => Object.fromEntries(model.inputs.map((tensor, at) => [tensor.name, columns[at][row]])));
}

function python(model, isOnly) {
  const name = JSON.stringify(model.name);
  const version = isOnly ? "" : `, version=${JSON.stringify(model.version)}`;
  const head = ["from pumice import Client", "", `client = Client(${JSON.stringify(location.origin)})`];
  if (isText(model)) {
    const texts = TEXTS.map((one) => `    ${JSON.stringify(one)},`);
    return [...head, `print(client.predict(${name}, [`, ...texts, `]${version}))`].join("\n");
  }
  if (isImage(model)) return [...head, `print(client.predict(${name}, open("picture.jpg", "rb").read()${version}))`].join("\n");
  const arrays = model.inputs.map((tensor) => {
    const sizes = shapeOf(model, tensor);
    const shape = sizes.length === 1 ? `(${sizes[0]},)` : `(${sizes.join(", ")})`;
    const made = tensor.datatype === "BYTES" ? `np.full(${shape}, b"text", object)` : `np.ones(${shape}, np.${NUMPY[tensor.datatype]})`;
    return `    ${JSON.stringify(tensor.name)}: ${made},`;
  });
  return ["import numpy as np", ...head, `print(client.infer(${name}, {`, ...arrays, `}${version}))`].join("\n");
}

function post(path, body, headers = {}) {
  return { method: "POST", path, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) };
}

/** The bodies that fit a model, by the kind of route that takes them; empty where they would be too large. */
export function bodies(model) {
  // JSON of the Open Inference Protocol has no way to write bytes that are no text
  if (isImage(model)) return { kserve: { instances: [{ b64: PICTURE }] } };
  if (model.inputs.length === 0 || model.inputs.some((tensor) => size(shapeOf(model, tensor)) > LARGEST)) return {};
  const work = isText(model) ? { text: TEXTS } : { inputs: oipInputs(model) };
  return {
    oip: { inputs: oipInputs(model) },
    kserve: { instances: instances(model) },
    task: { ...work, model: model.name },
  };
}

/** What can be tried with a model: kind -> a request, or a program. A model's only version need not be named. */
export function examples(model, isOnly) {
  const name = encodeURIComponent(model.name);
  const version = isOnly ? "" : `/versions/${encodeURIComponent(model.version)}`;
  const found = bodies(model);
  const tried = {};
  if (found.oip) tried.oip = { request: post(`/v2/models/${name}${version}/infer`, found.oip) };
  if (found.kserve) tried.kserve = { request: post(`/v1/models/${name}${version}:predict`, found.kserve) };
  if (found.task) {
    const named = isOnly ? found.task : { ...found.task, version: model.version };
    tried.task = { request: post("/predict", named, { prefer: "wait=5" }) };
  }
  if (model.inputs.length > 0) tried.python = { program: python(model, isOnly) };
  return tried;
}
