-- Drives the language server through Neovim's own client and writes what was seen as JSON.

local seen = {}
local told = { count = 0 }
local PATIENCE = 30000

local publish = vim.lsp.handlers['textDocument/publishDiagnostics']
vim.lsp.handlers['textDocument/publishDiagnostics'] = function(err, result, context, config)
  told.count = told.count + 1
  if result.uri:match('config.yml$') then told.version = result.version end
  local first = result.diagnostics[1]
  if first and first.codeDescription then seen.page = seen.page or first.codeDescription.href end
  return publish(err, result, context, config)
end

local function wait(what, condition)
  if not vim.wait(PATIENCE, condition, 5) then error('waited in vain for ' .. what) end
end

-- The line (from one) and the byte column (from zero) of a piece of text.
local function find(piece)
  for number, line in ipairs(vim.api.nvim_buf_get_lines(0, 0, -1, false)) do
    local at = line:find(piece, 1, true)
    if at then return number, at - 1 end
  end
  error('not in the text: ' .. piece)
end

-- Puts the cursor on the last word of a piece of text.
local function go(piece)
  local line, column = find(piece)
  local word = piece:match('[%w_]+$')
  vim.api.nvim_win_set_cursor(0, { line, column + #piece - #word })
end

local function line_of(piece) return vim.fn.getline((find(piece))) end

local function request(method, more)
  local params = vim.tbl_extend('force', vim.lsp.util.make_position_params(0, 'utf-16'), more or {})
  local answers = vim.lsp.buf_request_sync(0, 'textDocument/' .. method, params, PATIENCE)
  for _, answer in pairs(answers or {}) do
    if answer.err or answer.error then return nil, (answer.err or answer.error).message end
    return answer.result
  end
  error('no answer to ' .. method)
end

local function place(location)
  return { vim.fn.fnamemodify(vim.uri_to_fname(location.uri), ':t'), location.range.start.line + 1 }
end

local function session()
  local exited
  local client = vim.lsp.start_client({
    name = 'airlock',
    cmd = { vim.env.AIRLOCK, 'lsp', '--orb-dir', vim.env.ORBS },
    root_dir = vim.fn.getcwd(),
    flags = { debounce_text_changes = 0, allow_incremental_sync = true },
    on_exit = function(code) exited = code end,
  })
  vim.cmd('edit .circleci/config.yml')
  local config = vim.api.nvim_get_current_buf()
  vim.lsp.buf_attach_client(config, client)

  wait('diagnostics', function() return #vim.diagnostic.get(config) > 0 end)
  seen.first = vim.tbl_map(function(found)
    local line = vim.fn.getline(found.lnum + 1)
    return { code = found.code, line = found.lnum + 1, text = line:sub(found.col + 1, found.end_col) }
  end, vim.diagnostic.get(config))

  go('chekout')
  local here = vim.lsp.util.make_range_params(0, 'utf-16').range
  local actions = request('codeAction', { range = here, context = { diagnostics = {} } })
  vim.lsp.util.apply_workspace_edit(actions[1].edit, 'utf-16')
  seen.fix = vim.fn.getline(14)
  wait('the fix to count', function() return #vim.diagnostic.get(config) == 0 end)
  seen.after_fix = #vim.diagnostic.get(config)

  go('<< parameters.to')
  seen.hover = request('hover').contents.value
  go('tool/install')
  seen.hover_orb = request('hover').contents.value
  seen.definition_orb = place(request('definition')[1])
  go('      - build')
  seen.hover_entry = request('hover').contents.value

  -- Half a line, which no YAML parser takes; the offer is taken as an editor does it.
  local line = find('- run: echo')
  vim.api.nvim_buf_set_lines(config, line - 1, line - 1, false, { '      - run: echo << par >>' })
  vim.api.nvim_win_set_cursor(0, { line, #'      - run: echo << par' })
  for _, item in ipairs(request('completion').items) do
    if item.label == 'parameters.to' then
      vim.lsp.util.apply_text_edits({ item.textEdit }, config, 'utf-16')
    end
  end
  seen.completion = vim.fn.getline(line)
  vim.api.nvim_buf_set_lines(config, line - 1, line, false, {})

  go('requires: [build')
  seen.definition = place(request('definition')[1])
  go('<< parameters.to')
  local uses = request('references', { context = { includeDeclaration = true } })
  seen.references = vim.tbl_map(function(use) return use.range.start.line + 1 end, uses)
  vim.lsp.util.apply_workspace_edit(request('rename', { newName = 'whom' }), 'utf-16')
  seen.renamed = { line_of('Whom to greet'), line_of('- run: echo'), line_of('- greet:') }
  go('- checkout')
  local _, refusal = request('rename', { newName = 'other' })
  seen.refused = refusal
  seen.outline = vim.tbl_map(function(symbol) return symbol.name end, request('documentSymbol'))

  -- A burst of keys: a comment typed letter by letter, broken and mended on the way.
  told.count = 0
  local last = vim.api.nvim_buf_line_count(config)
  vim.api.nvim_buf_set_lines(config, last, last, false, { '' })
  for at = 1, 199 do
    local key = at == 1 and '#' or 'x'
    vim.api.nvim_buf_set_text(config, last, at - 1, last, at - 1, { key })
  end
  local version = vim.lsp.util.buf_versions[config]
  wait('the last version', function() return told.version == vim.lsp.util.buf_versions[config] end)
  seen.burst_told = told.count
  seen.burst_version = told.version
  seen.burst_last_version = version
  seen.burst_left = #vim.diagnostic.get(config)

  -- Another file of the folder, which is no config.
  vim.cmd('edit! .circleci/pod.yml')
  local pod = vim.api.nvim_get_current_buf()
  local before = told.count
  vim.lsp.buf_attach_client(pod, client)
  wait('an answer about the other file', function() return told.count > before end)
  seen.pod = #vim.diagnostic.get(pod)

  vim.lsp.stop_client(client)
  wait('the server to end', function() return exited ~= nil end)
  seen.exit = exited
end

local fine, problem = pcall(session)
if not fine then seen.error = tostring(problem) end
vim.fn.writefile({ vim.json.encode(seen) }, vim.env.SEEN)
vim.cmd('qall!')
