// What public Chainpoint tools say of one record's receipts.
//
//   node check.js MODULES V2.json V4.json V4.bin NODE_URL OUT.bin
//
// MODULES is the folder with the packages of package.json. Prints one JSON object. OUT.bin is the binary form
// as the public codec writes it.

const fs = require('node:fs')
const path = require('node:path')
const { isDeepStrictEqual } = require('node:util')

const [modules, v2File, v4File, binaryFile, url, out] = process.argv.slice(2)
const tool = name => require(path.join(modules, 'node_modules', name))
const schema = tool('chainpoint-proof-json-schema')
const codec = tool('chainpoint-binary')
const parser = tool('chainpoint-parse')
const chainpoint = tool('chainpoint-js')
const Validator = tool('chainpoint-validate')

const v2 = JSON.parse(fs.readFileSync(v2File, 'utf8'))
const v4 = JSON.parse(fs.readFileSync(v4File, 'utf8'))
const binary = fs.readFileSync(binaryFile)

// The v2 validator's verdict; without asking a blockchain.
const validate = receipt =>
  new Promise(resolve => new Validator().isValidReceipt(receipt, false, (_, result) => resolve(result)))

async function main() {
  const written = codec.objectToBinarySync(v4)
  fs.writeFileSync(out, written)
  const anchors = parser.parse(v4).branches.map(branch => branch.anchors).flat()
  // Those that the v2 validator knows; all else stays as it is.
  const known = { ...v2, anchors: [{ ...v2.anchors[0], type: 'BTCOpReturn' }] }
  const broken = { ...known, merkleRoot: '0'.repeat(64) }
  const verify = async proof => (await chainpoint.verifyProofs([proof], url)).map(result => result.verified)
  const forged = JSON.parse(JSON.stringify(v4))
  forged.hash = '0'.repeat(64)
  const result = {
    schema: schema.validate(v4).valid,
    read: isDeepStrictEqual(codec.binaryToObjectSync(binary), v4),
    anchors,
    verified: await verify(v4),
    verified_binary: await verify(binary.toString('base64')),
    verified_forged: await verify(forged),
    v2: await validate(v2),
    v2_known: await validate(known),
    v2_broken: await validate(broken),
  }
  fs.writeFileSync(1, JSON.stringify(result))
}

main().catch(error => {
  console.error(error)
  process.exit(1)
})
